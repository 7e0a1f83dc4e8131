"""What a confined process can see and may do, as a plain value. `confine.py` says what it is for."""

from collections.abc import Sequence

from attrs import frozen

from envforge.kernel.capabilities import BUILD, FILES

__all__ = ["BUILD", "FILES", "Shown", "View"]


@frozen
class Shown:
    """A directory or file of the host, and the place inside."""

    source: str
    target: str
    writable: bool = False


@frozen
class View:
    """What a confined process can see."""

    shown: tuple[Shown, ...] = ()
    hidden: tuple[str, ...] = ()
    """Directories below shown ones, to be covered by an empty one."""
    capabilities: tuple[int, ...] = FILES
    every_id: bool = False
    """Run by root: what is shown may belong to anyone, as uppers do, so no ids are shifted."""

    @classmethod
    def of(
        cls,
        *,
        readable: Sequence[str] = (),
        writable: Sequence[str] = (),
        hidden: Sequence[str] = (),
        capabilities: tuple[int, ...] = FILES,
        every_id: bool = False,
    ) -> "View":
        """Return a view in which everything has its host path."""
        shown = [Shown(path, path) for path in readable]
        shown += [Shown(path, path, writable=True) for path in writable]
        return cls(tuple(shown), tuple(hidden), capabilities, every_id)

    @property
    def ordered(self) -> tuple[Shown, ...]:
        """Return what is shown, so that nothing covers what came before."""
        return tuple(sorted(self.shown, key=lambda one: one.target.count("/")))
