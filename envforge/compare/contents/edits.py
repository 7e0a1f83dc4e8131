"""Finds a short list of edits between two sequences of lines, with bounds that hold for hostile input. Pure.

Myers' greedy algorithm (An O(ND) Difference Algorithm and Its Variations, 1986), git's default, after equal
lines at both ends are set aside. Beyond a number of edits what lies between is replaced as a whole.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

_EDITS_MAX: Final = 500
"""Time and memory grow with its square."""
CONTEXT: Final = 3


@frozen
class Edit:
    """Lines `old` of the first sequence give way to lines `new` of the second one: half-open ranges."""

    old: tuple[int, int]
    new: tuple[int, int]


def edits(a: Sequence[str], b: Sequence[str]) -> list[Edit]:
    """Return the edits that make `b` of `a`, in order, as few lines as the bounds allow."""
    start = 0
    while start < len(a) and start < len(b) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[len(a) - 1 - end] == b[len(b) - 1 - end]:
        end += 1
    middle_a, middle_b = a[start : len(a) - end], b[start : len(b) - end]
    if not middle_a and not middle_b:
        return []
    found = _joined(_steps(middle_a, middle_b)) if middle_a and middle_b else None
    if found is None:
        found = [Edit((0, len(middle_a)), (0, len(middle_b)))]
    return [_moved(edit, start) for edit in found]


def _moved(edit: Edit, by: int) -> Edit:
    return Edit((edit.old[0] + by, edit.old[1] + by), (edit.new[0] + by, edit.new[1] + by))


def _steps(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int]] | None:
    """Return each single edit as two points (x, y, x', y'), None beyond the bound."""
    trace: list[dict[int, int]] = []
    best = {1: 0}
    for count in range(min(len(a) + len(b), _EDITS_MAX) + 1):
        trace.append(best)
        reached: dict[int, int] = {}
        for diagonal in range(-count, count + 1, 2):
            down = diagonal == -count or (
                diagonal != count and best.get(diagonal - 1, -1) < best.get(diagonal + 1, -1)
            )
            x = best.get(diagonal + 1, 0) if down else best.get(diagonal - 1, 0) + 1
            y = x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            reached[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _walked_back(trace, len(a), len(b))
        best = reached
    return None


def _walked_back(trace: Sequence[dict[int, int]], x: int, y: int) -> list[tuple[int, int, int, int]]:
    found = []
    for count in range(len(trace) - 1, 0, -1):
        best, diagonal = trace[count], x - y
        down = diagonal == -count or (
            diagonal != count and best.get(diagonal - 1, -1) < best.get(diagonal + 1, -1)
        )
        before = diagonal + 1 if down else diagonal - 1
        old_x = best[before]
        old_y = old_x - before
        found.append((old_x, old_y, old_x if down else old_x + 1, old_y + 1 if down else old_y))
        x, y = old_x, old_y
    return found[::-1]


def _joined(steps: list[tuple[int, int, int, int]] | None) -> list[Edit] | None:
    """Return single edits that touch each other as one."""
    if steps is None:
        return None
    found: list[Edit] = []
    for x, y, end_x, end_y in steps:
        if found and (found[-1].old[1], found[-1].new[1]) == (x, y):
            found[-1] = Edit((found[-1].old[0], end_x), (found[-1].new[0], end_y))
        else:
            found.append(Edit((x, end_x), (y, end_y)))
    return found


def unified(a: Sequence[str], b: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a unified diff, without the lines of file names; nothing where both are equal."""
    for hunk in _hunks(edits(a, b)):
        first, last = hunk[0], hunk[-1]
        old = (max(first.old[0] - CONTEXT, 0), min(last.old[1] + CONTEXT, len(a)))
        new = (max(first.new[0] - CONTEXT, 0), min(last.new[1] + CONTEXT, len(b)))
        yield f"@@ -{_range(*old)} +{_range(*new)} @@"
        at = old[0]
        for edit in hunk:
            yield from (f" {line}" for line in a[at : edit.old[0]])
            yield from (f"-{line}" for line in a[edit.old[0] : edit.old[1]])
            yield from (f"+{line}" for line in b[edit.new[0] : edit.new[1]])
            at = edit.old[1]
        yield from (f" {line}" for line in a[at : old[1]])


def _hunks(found: Sequence[Edit]) -> Iterator[list[Edit]]:
    hunk: list[Edit] = []
    for edit in found:
        if hunk and edit.old[0] - hunk[-1].old[1] > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(edit)
    if hunk:
        yield hunk


def _range(start: int, end: int) -> str:
    count = end - start
    first = start + 1 if count else start
    return f"{first}" if count == 1 else f"{first},{count}"
