"""The proxy's event loop: one epoll, and a function for each descriptor that is waited for."""

from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, epoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int], None]
    """Called with the events of its descriptor."""

__all__ = ["EPOLLERR", "EPOLLHUP", "EPOLLIN", "EPOLLOUT", "Loop"]

_EVENTS_AT_ONCE = 512


class Loop:
    """Calls handlers as their descriptors are ready, for as long as it is not stopped."""

    __slots__ = ("_epoll", "_handlers", "_interest", "is_stopped")

    def __init__(self) -> None:
        self._epoll = epoll()
        self._handlers: dict[int, Handler] = {}
        self._interest: dict[int, int] = {}
        self.is_stopped = False

    def watch(self, descriptor: int, handler: "Handler", events: int) -> None:
        """Call `handler` from now on. With no events it is still called for errors and hang-ups."""
        self._handlers[descriptor] = handler
        self._interest.setdefault(descriptor, -1)
        self.change(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Wait for other events; -1: for none at all, hang-ups included."""
        before = self._interest[descriptor]
        if events == before:
            return
        self._interest[descriptor] = events
        if events < 0:
            self._epoll.unregister(descriptor)
        elif before < 0:
            self._epoll.register(descriptor, events)
        else:
            self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Wait for it no longer. To be called before it is closed."""
        if self._interest.pop(descriptor, -1) >= 0:
            self._epoll.unregister(descriptor)
        self._handlers.pop(descriptor, None)

    def turn(self, timeout_s: float) -> bool:
        """Wait once, and call whose descriptors are ready; return whether there were any."""
        found = self._epoll.poll(timeout_s, _EVENTS_AT_ONCE)
        for descriptor, events in found:
            handler = self._handlers.get(descriptor)
            if handler is not None:  # else one before it in the list has closed it
                handler(events)
        return bool(found)
