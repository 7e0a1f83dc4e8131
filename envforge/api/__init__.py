"""The library interface: everything that the command line does, for other front ends (a TUI, a server) too.

    projects     open                     locating     locate
    locking      lock                     environments environments
    upkeep       usage, preview, collect, undo, roots, keep, release
    editing      init, add, remove        building     build
    consent      allow, revoke, trust     entering     prepare, enter, start, wait
    joining      running, find, enter     inspecting   describe, users
    proof        verify, check, fsck      stores       path, destroy
    doctor       checks                   history      generations, preview, rollback
    comparing    compare, why, why_rebuilt, owns, resolve
    browsing     layers, listed, owners, preview
    drafts       read, check, of, save    remembered   load, save
    containers   run, all_of, find, start, stop, kill, wait, remove, enter, usage
    containers_logs  entries, follow, merged, follow_all, Tail, Attachment, Keys

Nothing here prints, prompts, exits or needs the main thread. Failures are `EnvforgeError`s. A question to the
user is an exception, and a call is the answer: `consent.allow` to a `ConsentError`, `consent.trust` to an
`OwnerError`. Long work sends events to its `listener` (`envforge.progress`); an exception that the listener
raises ends the work.
"""
