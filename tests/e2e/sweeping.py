"""Leaving nothing behind: what outlives the namespaces that the tests run in."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "rds-e2e-"
"""Begins the names of directories; short, since sockets lie in there."""

_CGROUPS = Path("/sys/fs/cgroup")
_SETTINGS = Path("/proc/sys")
_BEFORE = "before.json"
"""The file with what was there before a run: control groups of containers, kernel settings."""

_SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
"""What a kubelet sets to its own liking (setupKernelTunables in pkg/kubelet/cm)."""


@contextlib.contextmanager
def swept(directory: Path) -> Iterator[None]:
    """Own what a run may leave outside of its namespaces; clear what dead runs left, too."""
    for other in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if other != directory and not _is_owned(other):
            _clear(other)
            shutil.rmtree(other, ignore_errors=True)
    settings = {name: (_SETTINGS / name).read_text() for name in _SYSCTLS}
    before = {"groups": sorted(_container_groups()), "settings": settings}
    (directory / _BEFORE).write_text(json.dumps(before))
    (directory / "owner").write_text(str(os.getpid()))
    try:
        yield
    finally:
        _clear(directory)


def _is_owned(directory: Path) -> bool:
    """Return whether the run that made a directory goes on."""
    try:
        owner = int((directory / "owner").read_text())
    except (OSError, ValueError):
        return True  # about to be written, or not ours
    return Path(f"/proc/{owner}").exists()


def _clear(directory: Path) -> None:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            # Of a mount that is gone only the end of the path is told.
            if f"/{directory.name}-disks/" in path.read_text():
                loop = f"/dev/{path.parts[3]}"
                subprocess.run(["losetup", "-d", loop], check=False)  # noqa: S603, S607
    before = json.loads((directory / _BEFORE).read_text())
    for name, text in before["settings"].items():
        (_SETTINGS / name).write_text(text)
    for name in _container_groups() - set(before["groups"]):
        _remove_groups(name)
    if not before["groups"]:
        _remove_groups("")


def _container_groups() -> set[str]:
    """Return the names of the control groups that containerd makes for containers."""
    found = (*_CGROUPS.glob("*/k8s.io/*"), *_CGROUPS.glob("k8s.io/*"))
    return {path.name for path in found if path.is_dir()}


def _remove_groups(name: str) -> None:
    """Remove a container's control groups, in all hierarchies, where no process is in there."""
    for path in (*_CGROUPS.glob("*/k8s.io"), _CGROUPS / "k8s.io"):
        for folder, _, _ in os.walk(path / name, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 (a group's files are not to be removed)


def keep_logs(directory: Path, target: Path) -> None:
    """Copy the logs of all processes to where they stay."""
    shutil.rmtree(target, ignore_errors=True)
    for log in sorted(directory.glob("logs/**/*.log")):
        place = target / log.relative_to(directory / "logs")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, place)
