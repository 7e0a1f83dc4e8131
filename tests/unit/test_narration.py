"""What is told of Debian's scripts: packages that are set up, wherever the stage of configuring begins."""

from envforge.progress import Progress, Recorder, events
from envforge.sources.debian.layers.narration import Narration


def heading(*packages):
    return "".join(f"Setting up {package} (1) ...\n" for package in packages).encode()


def test_packages_that_are_set_up_count_for_the_stage_even_those_from_before_it():
    watcher = Recorder()
    narration = Narration(Progress(watcher))
    narration.feed(heading("base-files", "libc6:amd64"))
    narration.feed(b"Processing triggers for libc-bin (1) ...\n" + heading("of-a-finished-layer", "slow"))
    assert events.Item not in map(type, watcher.events)
    watcher.events.clear()
    narration.begin_stage(["base-files", "libc6", "slow", "late"])
    narration.feed(heading("late"))
    narration.end(well=True)
    assert [event for event in watcher.events if not isinstance(event, events.Log)] == [
        events.Stage("configuring", None, 4),
        events.Item("base-files"),
        events.Item("libc6:amd64"),
        events.Doing("slow", "setting up"),
        events.Item("slow"),
        events.Doing("late", "setting up"),
        events.Item("late"),
    ]


def test_what_failed_last_is_not_set_up():
    watcher = Recorder()
    narration = Narration(Progress(watcher))
    narration.begin_stage(["broken"])
    narration.feed(heading("broken"))
    narration.end(well=False)
    assert events.Item not in map(type, watcher.events)


def test_where_nothing_is_to_be_configured_layers_are_linked_only():
    watcher = Recorder()
    narration = Narration(Progress(watcher))
    assert not narration.is_staged
    narration.begin_stage([])
    assert narration.is_staged
    assert watcher.events == [events.Stage("linking")]
