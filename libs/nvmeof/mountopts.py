"""Mount options: what is asked for, what is safe, and what is neither. Pure."""

import re
from collections.abc import Iterable, Sequence

from libs.core.errors import InvalidRequest
from libs.core.ids import shown

_OPTION = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}(?:=[A-Za-z0-9_.,:/@%+-]{0,128})?", re.ASCII
)
_CONTEXT = re.compile(
    r'(?:context|fscontext|defcontext|rootcontext)="?[A-Za-z0-9_.:,-]{1,256}"?', re.ASCII
)
"""An SELinux context; its categories are separated by commas, so the kubelet puts it in quotes."""

_SAFE: dict[str, tuple[str, ...]] = {
    "ext4": ("errors=remount-ro",),
    "ext3": ("errors=remount-ro",),
    # A clone has the UUID of its source, and both may be mounted on one node.
    "xfs": ("nouuid",),
    "btrfs": (),
}
_UNTOUCHED: dict[str, tuple[str, ...]] = {
    "ext4": ("noload",),
    "ext3": ("noload",),
    "xfs": ("norecovery",),
    "btrfs": ("rescue=nologreplay",),
}
"""What keeps a read-only mount from writing: otherwise the journal is replayed onto the device."""

_REFUSED = {
    "bind": "the driver decides what is mounted where",
    "rbind": "the driver decides what is mounted where",
    "move": "the driver decides what is mounted where",
    "remount": "the driver decides what is mounted where",
    "loop": "the device is an NVMe namespace",
    "offset": "the device is an NVMe namespace",
    "sizelimit": "the device is an NVMe namespace",
    "device": "a volume has one device",
    "logdev": "a volume has one device",
    "rtdev": "a volume has one device",
    "journal_dev": "a volume has one device",
    "journal_path": "a volume has one device",
    "degraded": "a volume has one device",
    "subvol": "a volume is a whole filesystem",
    "subvolid": "a volume is a whole filesystem",
    "abort": "it is for tests of a filesystem",
    "private": "the kubelet decides about propagation",
    "rprivate": "the kubelet decides about propagation",
    "shared": "the kubelet decides about propagation",
    "rshared": "the kubelet decides about propagation",
    "slave": "the kubelet decides about propagation",
    "rslave": "the kubelet decides about propagation",
    "unbindable": "the kubelet decides about propagation",
    "runbindable": "the kubelet decides about propagation",
    "helper": "no other program mounts volumes",
    "user": "the driver mounts",
    "users": "the driver mounts",
    "defaults": "",
    "_netdev": "",
    "auto": "",
    "noauto": "",
    "nofail": "",
}
"""Options that are refused, with the reason; those without one mean nothing and are dropped."""


def parse_options(flags: Iterable[str], field: str) -> tuple[str, ...]:
    """Return the mount options of a request, one by one, without repetitions.

    A flag may hold several, separated by commas, but for an SELinux context.

    Raises:
        InvalidRequest: one is not an option, or one that no user may give, or two contradict.
    """
    options: dict[str, None] = {}
    for flag in flags:
        parts = [flag] if _CONTEXT.fullmatch(flag) else flag.split(",")
        for part in parts:
            _check(part, field)
            if _REFUSED.get(_key(part)) is None:
                options[part] = None
    if {"ro", "rw"} <= options.keys():
        raise InvalidRequest(f"{field} has both ro and rw")
    return tuple(options)


def merge_options(
    fs_type: str, requested: Sequence[str], *, read_only: bool, untouched: bool = False
) -> tuple[str, ...]:
    """Return the options to mount with: the requested ones before the safe ones.

    Args:
        fs_type: the filesystem.
        requested: as `parse_options` returns them.
        read_only: whether nothing is to be written through the mount.
        untouched: whether not even the journal may be replayed, as other nodes read the device.
    """
    taken = {_key(option) for option in requested}
    safe = [option for option in _SAFE.get(fs_type, ()) if _key(option) not in taken]
    chosen = [option for option in requested if option not in {"ro", "rw"}]
    mode = ["ro"] if read_only or "ro" in requested else ["rw"]
    kept = _UNTOUCHED.get(fs_type, ()) if untouched else ()
    return (*mode, *chosen, *safe, *kept)


def _key(option: str) -> str:
    return option.partition("=")[0]


def _check(option: str, field: str) -> None:
    if not (_OPTION.fullmatch(option) or _CONTEXT.fullmatch(option)):
        raise InvalidRequest(f"{field} has {shown(option)}, which is not a mount option")
    reason = _REFUSED.get(_key(option))
    if _key(option).lower().startswith("x-mount."):
        reason = "the driver decides what is mounted where"
    if reason:
        raise InvalidRequest(f"{field} must not have {shown(option)}: {reason}")
