"""Processes' clocks: each has one of its own, which is set while it runs.

By libfaketime, which is loaded before the C library and answers for it. What measures time (the
monotonic clock, and that since boot) goes on as ever: only the time of day is another.
"""

from pathlib import Path

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
"""Debian's package libfaketime; None where it is not installed."""

_LOOK_AGAIN = "1"  # seconds


def environment(clock: Path) -> dict[str, str]:
    """Return with which environment a process has that clock; the machine's without the library."""
    if LIBRARY is None:
        return {}
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": _LOOK_AGAIN,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def set_clock(clock: Path, seconds: float) -> None:
    """Set a clock to so many seconds after, or before, the machine's."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+.0f}\n")
    new.replace(clock)
