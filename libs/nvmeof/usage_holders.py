"""What of the kernel is built on a block device. It blocks: it is run through `offload`."""

import errno
from collections.abc import Collection
from pathlib import Path

from libs.nvmeof.errors import HostUnable, NoDevice

SYS = Path("/sys")


def list_holders(
    number: tuple[int, int], paths: Collection[str] = (), sys: Path = SYS
) -> tuple[str, ...]:
    """Return the devices that are built on one: mappings, arrays, and loop devices.

    Only the kernel's notes in sysfs are read; the device itself is not touched. A loop device on a
    block device is what kubelet holds a raw block volume with; it claims nothing.

    Args:
        number: of the device; its partitions count.
        paths: by which it may have been opened for a loop device, such as where it is published.
        sys: where sysfs is.

    Raises:
        NoDevice: there is no such device.
        HostUnable: that cannot be read.
    """
    device = sys / "dev" / "block" / f"{number[0]}:{number[1]}"
    try:
        if not device.is_dir():
            raise NoDevice(f"this host has no block device {number[0]}:{number[1]}")
        found = {holder.name for holder in device.glob("holders/*")}
        found |= {holder.name for holder in device.glob("*/holders/*")}
        for loop in (sys / "block").glob("loop*/loop/backing_file"):
            if _text(loop).rstrip("\n").removesuffix(" (deleted)") in paths:
                found.add(loop.parts[-3])
    except OSError as error:
        raise HostUnable("what is built on a device cannot be read", detail=repr(error)) from error
    return tuple(sorted(found))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""  # it was detached just now
    except OSError as error:
        if error.errno == errno.ENXIO:
            return ""
        raise
