"""What of the kernel is built on a block device. It blocks: it is run through `offload`."""

import errno
import fcntl
import os
import struct
from collections.abc import Collection
from pathlib import Path

from libs.nvmeof.errors import HostUnable, NoDevice

SYS = Path("/sys")

_DETACHED = frozenset({errno.ENXIO, errno.ENODEV})
"""What reading an attribute gives whose loop device loses its file at that moment."""

_LOOP_GET_STATUS64, _LOOP_INFO64 = 0x4C05, 232
"""The ioctl, and the size of `struct loop_info64`, in include/uapi/linux/loop.h of Linux; its third
field is the number of the block device that a loop device is on."""


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
            name = loop.parts[-3]
            backing = _text(loop).rstrip("\n").removesuffix(" (deleted)")
            if backing and (backing in paths or _is_built_on(name, number)):
                found.add(name)
    except OSError as error:
        raise HostUnable("what is built on a device cannot be read", detail=repr(error)) from error
    return tuple(sorted(found))


def _is_built_on(loop: str, number: tuple[int, int]) -> bool:
    """Whether a loop device is on a block device, by whatever path it was opened.

    The kubelet opens a raw block volume by a path of its own making.
    """
    try:
        descriptor = os.open(f"/dev/{loop}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # it was detached just now
    try:
        status = fcntl.ioctl(descriptor, _LOOP_GET_STATUS64, bytes(_LOOP_INFO64))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    (device,) = struct.unpack_from("=Q", status, 16)
    return (os.major(device), os.minor(device)) == number


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""  # it was detached just now
    except OSError as error:
        if error.errno in _DETACHED:
            return ""
        raise
