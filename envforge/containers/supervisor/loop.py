"""The supervisor's event loop: descriptors to watch, functions to call later. Knows nothing of containers."""

import os
import select
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call to come; `Loop.cancel` forgets it."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: "Callable[[], None]") -> None:
        self.when = when
        self.call = call


class Loop:
    """Calls what belongs to descriptors that are ready, and to times that have come, until `stop`."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._watched: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._is_over = False

    def watch(self, descriptor: int, call: "Callable[[int], None]", events: int = READ) -> None:
        """Call `call` with the events of a descriptor whenever it has some."""
        self._watched[descriptor] = call
        self._poll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Wait for other events of a descriptor."""
        self._poll.modify(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Watch a descriptor no more; before it is closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def await_child(self, pid: int, ended: "Callable[[], None]") -> None:
        """Call `ended` once a child has ended; it is reaped."""
        pidfd = os.pidfd_open(pid)

        def gone(_events: int) -> None:
            self.unwatch(pidfd)
            os.close(pidfd)
            os.waitpid(pid, 0)
            ended()

        self.watch(pidfd, gone)

    def later(self, seconds: float, call: "Callable[[], None]") -> Timer:
        """Call `call` once, after that time. A clock that is set does not matter."""
        timer = Timer(monotonic() + seconds, call)
        self._timers.append(timer)
        return timer

    def cancel(self, timer: "Timer | None") -> None:
        """Forget a call to come, if it has not come."""
        if timer in self._timers:
            self._timers.remove(timer)

    def stop(self) -> None:
        """Make `run` return once the current call is done."""
        self._is_over = True

    def run(self) -> None:
        """Watch and call until `stop`."""
        while not self._is_over:
            for descriptor, events in self._poll.poll(self._patience()):
                call = self._watched.get(descriptor)  # one of the calls before may have closed it
                if call is not None:
                    call(events)
            self._call_due()

    def _patience(self) -> "float | None":
        if not self._timers:
            return None
        return max(0.0, min(timer.when for timer in self._timers) - monotonic())

    def _call_due(self) -> None:
        now = monotonic()
        for timer in [one for one in self._timers if one.when <= now]:
            if timer in self._timers and not self._is_over:
                self._timers.remove(timer)
                timer.call()
