"""A volume's life on a node, typed by hand: what the node plugin is measured beside."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

LIFE = ("NodeStageVolume", "NodePublishVolume", "NodeUnpublishVolume", "NodeUnstageVolume")

_MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard"),
    "xfs": ("mkfs.xfs", "-q", "-K"),
}
_CHECK = {"ext4": ("e2fsck", "-p"), "xfs": ("xfs_repair", "-n")}


def by_hand(
    staging: str, target: str, image: Path, kind: str, *, is_new: bool
) -> dict[str, Callable[[], None]]:
    """Return what an administrator would type for each call of a volume's life."""
    loop = ""

    def stage() -> None:
        nonlocal loop
        loop = run("losetup", "--direct-io=on", "-f", "--show", str(image)).strip()
        if kind != "block":
            run("blkid", "-p", "-o", "export", loop, codes=(0, 2))
            run(*(_MAKE if is_new else _CHECK)[kind], loop)
            run("mount", "-t", kind, loop, staging)

    def publish() -> None:
        if kind == "block":
            number = Path(loop).stat().st_rdev
            run("mknod", target, "b", str(os.major(number)), str(os.minor(number)))
        else:
            run("mkdir", target)
            run("mount", "--bind", staging, target)

    def unpublish() -> None:
        if kind == "block":
            run("rm", target)
        else:
            run("umount", target)
            run("rmdir", target)

    def unstage() -> None:
        if kind != "block":
            run("umount", staging)
        run("losetup", "-d", loop)

    return dict(zip(LIFE, (stage, publish, unpublish, unstage), strict=True))


def run(*argv: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a tool and return what it printed."""
    ended = subprocess.run(  # noqa: S603 (our own words)
        argv, check=False, capture_output=True, text=True, timeout=60
    )
    if ended.returncode not in codes:
        raise AssertionError(f"{argv} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


@contextlib.contextmanager
def clean(root: Path, *points: Path) -> Iterator[None]:
    """Leave no mount and no loop device behind."""
    try:
        yield
    finally:
        for point in points:
            if point.is_mount():
                run("umount", "-l", str(point))
        for file in Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                if file.read_text().startswith(f"{root}/"):
                    run("losetup", "-d", f"/dev/{file.parts[3]}")
