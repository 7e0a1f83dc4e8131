"""Detached containers, their networks, and the services of a project.

    records, names, plans   what each is and how it is       lifecycle   create, start, stop, remove, wait
    truth                   what died without saying so      control     asking a supervisor
    supervisor/             the process that each one has    output      its log, being attached
    files/                  what it has changed

Commands and supervisors load these modules on the warm path: they import next to nothing.
"""
