"""Turns the output of maintainer scripts into progress: log lines, the current step, packages set up."""

from collections.abc import Collection

from attrs import define, field

from envforge.progress import Progress
from envforge.sources.debian.configure.output.dpkg_output import SETTING_UP, Output, Step


@define
class Narration:
    """A `build.task.Reader` of all configurations of one build."""

    progress: Progress
    output: Output = field(factory=Output, init=False)
    _step: Step | None = field(default=None, init=False)
    _set_up: set[str] = field(factory=set, init=False)
    """Packages that are set up, as dpkg names them."""
    _awaited: frozenset[str] | None = field(default=None, init=False)
    """Names, without architecture, that the stage of configuring counts; None before it begins."""

    @property
    def is_staged(self) -> bool:
        """Return whether the stage of configuring has begun."""
        return self._awaited is not None

    def begin_stage(self, unconfigured: Collection[str]) -> None:
        """Begin the stage of configuring: all is unpacked, `unconfigured` packages are left."""
        self._awaited = frozenset(_without_architecture(name) for name in unconfigured)
        if not unconfigured:
            self.progress.stage("linking")
            return
        self.progress.stage("configuring", total_items=len(unconfigured))
        for package in sorted(self._set_up):  # the base is configured while others are still unpacked
            self._count(package)
        if self._step is not None and self._step.package:
            self.progress.doing(self._step.package, self._step.doing)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the scripts' output."""
        for step, line in self.output.steps(data):
            if step is not self._step:
                self._begin(step)
            self.progress.log(line, step.package)

    def end(self, *, well: bool) -> None:
        """Take the end of the output; if all went `well`, the last package is set up."""
        for line in self.output.end():
            self.progress.log(line, self.output.step.package)
        if well:
            self._begin(Step("", ""))

    def _begin(self, step: Step) -> None:
        """Report a new step; if the one before it was setting up a package, that is set up now."""
        before, self._step = self._step, step
        if before is not None and before.doing == SETTING_UP and before.package not in self._set_up:
            self._set_up.add(before.package)
            self._count(before.package)
        if step.package:
            self.progress.doing(step.package, step.doing)

    def _count(self, package: str) -> None:
        if self._awaited is not None and _without_architecture(package) in self._awaited:
            self.progress.item(package)


def _without_architecture(package: str) -> str:
    return package.partition(":")[0]
