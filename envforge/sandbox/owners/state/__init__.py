"""The supervisor's state: owners of files, ids of processes, and how it finds both."""
