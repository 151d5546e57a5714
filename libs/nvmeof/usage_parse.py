"""What files of `/proc` tell about the use of a mount, as values. Pure.

The formats are those of proc(5) and of Documentation/filesystems/sharedsubtree.rst of Linux.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping

from libs.nvmeof.errors import HostUnable
from libs.nvmeof.mountinfo import Mount

_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d{1,10})\s*$", re.MULTILINE | re.ASCII)
_MAPPING = re.compile(
    r"[0-9a-f]+-[0-9a-f]+ [-a-z]{4} [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+)(?: .*)?", re.ASCII
)

_GROUP = re.compile(r"\d{1,10}", re.ASCII)

Mounts = Mapping[int, Mount]
"""The mounts of a namespace by their IDs."""


def parse_mount_id(text: str) -> int | None:
    """Read of `fdinfo` on which mount a file was opened; None where it does not say."""
    match = _MOUNT_ID.search(text)
    return int(match[1]) if match else None


def parse_mapped(text: str) -> frozenset[tuple[int, int]]:
    """Read of `maps` the device numbers of the filesystems whose files are mapped.

    Raises:
        HostUnable: a line cannot be read: what is mapped would look unused.
    """
    found = set()
    for line in text.split("\n"):  # a name may hold other characters that end a line
        if not line:
            continue
        match = _MAPPING.fullmatch(line)
        if match is None:
            raise HostUnable("what a process has mapped cannot be read", detail=repr(line))
        if match[3] != "0":  # memory without a file has inode 0
            found.add((int(match[1], 16), int(match[2], 16)))
    return frozenset(found)


def mount_over(path: str, points: Mapping[str, Mount]) -> Mount | None:
    """Return the mount that a path lies on, by the text of the path alone."""
    while path not in points:
        above = posixpath.dirname(path)
        if above == path:
            return None
        path = above
    return points[path]


def read_masters(mounts: Iterable[Mount]) -> dict[int, set[int]]:
    """Return from which peer groups each peer group receives what is mounted and unmounted."""
    masters: dict[int, set[int]] = {}
    for mount in mounts:
        for group in _groups(mount, "shared"):
            masters.setdefault(group, set()).update(_groups(mount, "master", "propagate_from"))
    return masters


def goes_with(
    copy: Mount,
    beside: Mounts,
    original: Mount,
    around: Mounts,
    masters: Mapping[int, set[int]],
) -> bool:
    """Whether unmounting the original unmounts the copy too.

    An unmount is passed on to what is mounted at the same place of each peer and each slave of the
    *parent* mount (propagate_umount in fs/pnode.c). What propagation the mount itself has does not
    count: that of a volume in a container is often a slave, and stays when the original goes.

    Args:
        copy: in any namespace.
        beside: the mounts of that namespace.
        original: in the namespace where it is to be unmounted.
        around: the mounts of that one.
        masters: of `read_masters`, of all namespaces.
    """
    onto, parent = beside.get(copy.parent), around.get(original.parent)
    if onto is None or parent is None:
        return False
    together = _sources(onto, masters) & _groups(parent, "shared")
    return bool(together) and _place(copy, onto) == _place(original, parent)


def _place(mount: Mount, parent: Mount) -> str:
    """Return where in the parent's filesystem something is mounted."""
    return posixpath.join(parent.root, posixpath.relpath(mount.point, parent.point))


def _sources(mount: Mount, masters: Mapping[int, set[int]]) -> set[int]:
    """Return the peer groups whose events reach a mount, its own among them."""
    found: set[int] = set()
    left = _groups(mount, "shared", "master", "propagate_from")
    while left:
        found |= left
        left = {master for group in left for master in masters.get(group, ())} - found
    return found


def _groups(mount: Mount, *kinds: str) -> set[int]:
    fields = (field.partition(":") for field in mount.propagation)
    return {int(number) for kind, _, number in fields if kind in kinds and _GROUP.fullmatch(number)}
