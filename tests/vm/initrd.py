"""The initramfs that the machine starts from, written by hand: no tool is needed for it."""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.vm.kernel import Kernel, unpack_module

MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
"""What the guest needs to find its root."""

BUSYBOX = Path("/usr/bin/busybox")
_DIRECTORIES = (
    "bin",
    "mods",
    "rig",
    "rig/python",
    "proc",
    "sys",
    "dev",
    "new",
    "hot",
    "lower",
    "upper",
)


def build_initrd(
    kernel: Kernel,
    init: str,
    files: Mapping[str, str],
    modules: Iterable[str] = MODULES,
    hot: Iterable[Path] = (),
) -> bytes:
    """Return an initramfs with busybox, modules, `/init`, further files, and copies of some.

    Raises:
        MachineUnable: the tool that a module is unpacked with is missing.
    """
    archive = Cpio()
    for directory in _DIRECTORIES:
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes())
    names = []
    for number, path in enumerate(kernel.module_files(modules)):
        name, plain = unpack_module(path)
        names.append(f"{number:02d}-{name}")
        archive.add(f"mods/{names[-1]}", stat.S_IFREG | 0o644, plain)
    archive.add("mods/order", stat.S_IFREG | 0o644, "".join(f"{n}\n" for n in names).encode())
    archive.add("init", stat.S_IFREG | 0o755, init.encode())
    for name, text in files.items():
        archive.add(f"rig/{name}", stat.S_IFREG | 0o644, text.encode())
    _add_tree(archive, "hot", hot)
    return archive.closed()


def _add_tree(archive: "Cpio", directory: str, paths: Iterable[Path]) -> None:
    """Add files, below a directory, with the directories that they are in."""
    done = {Path("/")}
    for path in paths:
        for each in (*reversed(path.parents), path):
            if each not in done:
                done.add(each)
                status = each.stat()
                data = each.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                # Python takes what is compiled only for a source of this very time.
                modified = int(status.st_mtime)
                archive.add(f"{directory}{each}", status.st_mode, data, modified=modified)


class Cpio:
    """An archive of the `newc` kind (Documentation/driver-api/early-userspace of Linux)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._inode = 1

    def add(
        self,
        name: str,
        mode: int,
        data: bytes = b"",
        *,
        device: tuple[int, int] = (0, 0),
        modified: int = 0,
    ) -> None:
        label = name.encode() + b"\0"
        size = len(data)
        numbers = [self._inode, mode, 0, 0, 1, modified, size, 0, 0, *device, len(label), 0]
        self._inode += 1
        self._data += b"070701" + b"".join(b"%08X" % number for number in numbers) + label
        self._pad(4)
        self._data += data
        self._pad(4)

    def closed(self) -> bytes:
        self.add("TRAILER!!!", 0)
        self._pad(512)
        return bytes(self._data)

    def _pad(self, to: int) -> None:
        self._data += b"\0" * (-len(self._data) % to)
