"""Sizes and durations as people read them."""


def size_text(size_bytes: float) -> str:
    """Return a size as people read it: three digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5 or unit == "GB":
            digits = 0 if unit == "B" or size_bytes >= 99.5 else 1
            return f"{size_bytes:.{digits}f} {unit}"
        size_bytes /= 1000
    raise AssertionError


def duration_text(seconds: float) -> str:
    """Return a duration as people read it: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
