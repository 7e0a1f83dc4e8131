"""What a face of envforge may call: all that the command line does, and what a TUI or a server would want.

    projects     open                     locking      lock
    editing      init, add, remove        building     build
    consent      allow, revoke, trust     entering     prepare, enter, start, wait
    joining      running, find, enter     inspecting   describe, environments, needs, users
    proof        verify, check            stores       path, destroy
    doctor       checks

Nothing here prints, asks, exits or needs the main thread. Failures are `EnvforgeError`s. What has to be asked
is said by an error and answered by a call: a `ConsentError` by `consent.allow`, an `OwnerError` by
`consent.trust`. Long work tells events to its `listener` (`envforge.progress`); what that raises ends it.
"""
