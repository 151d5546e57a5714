"""The tools that a node plugin runs, as /proc shows them."""

import contextlib
import os
import signal
import threading
from pathlib import Path

from libs.nvmeof.superblock import HEAD, parse_superblock

# Children of the plugin, as /proc shows them


def state_of(pid: int | str) -> tuple[str, int]:
    """Return the state of a process, and its parent; `X` of one that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "X", 0
    state, parent, *_ = text.rpartition(")")[2].split()
    return state, int(parent)


def has_ended(pid: int) -> bool:
    return state_of(pid)[0] in {"X", "Z"}


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def has_open(pid: int, path: str) -> bool:
    """Whether a process has a file open."""
    with contextlib.suppress(OSError):
        opened = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115
        return path in opened
    return False


def freeze(pid: int) -> bool:
    """Stop a process where it is; return whether there was one to stop."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    while (state := state_of(pid)[0]) not in {"T", "X", "Z"}:
        os.sched_yield()
    return state == "T"


class Children:
    """The tools that a process starts."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._own_name = name_of(parent)
        self._seen = {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
        self.found: list[int] = []

    def look(self) -> list[int]:
        """Return all that were started since this was made, the latest last."""
        for name in os.listdir("/proc"):  # noqa: PTH208 (names are all that is needed)
            if name.isdecimal() and name not in self._seen:
                self._seen.add(name)
                if state_of(name)[1] == self._parent:
                    self.found.append(int(name))
        return self.found

    def is_tool(self, pid: int) -> bool:
        """Whether it is the tool by now, and not the plugin's fork that becomes it."""
        return name_of(pid) != self._own_name


def hold_mkfs(children: Children, stop: threading.Event) -> int:
    """Have the next mkfs stand still in the middle of its work; return it, or 0 if told to stop."""
    while not stop.is_set():
        for each in children.look():
            device = _device_of(each)
            if device and has_open(each, device) and freeze(each):
                if has_open(each, device) and _is_unfinished(
                    device
                ):  # it may have closed it just now
                    return each
                os.kill(each, signal.SIGCONT)
    return 0


def _device_of(pid: int) -> str:
    """Return what a mkfs works on: that of Btrfs has a look at other devices, too."""
    if not name_of(pid).startswith("mkfs"):
        return ""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").rpartition("\0")[2]
    return ""


def _is_unfinished(device: str) -> bool:
    with contextlib.suppress(OSError), Path(device).open("rb") as file:
        found = parse_superblock(file.read(HEAD))
        return found is None or found.unfinished
    return False
