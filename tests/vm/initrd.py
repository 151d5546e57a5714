"""What the machine boots from: a kernel, unpacked, and an initramfs, written by hand.

No tool is needed for either; the guest would take seconds to unpack its kernel itself.
"""

import lzma
import re
import stat
from collections.abc import Iterable
from pathlib import Path

MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
"""What the guest needs to find its root; a module that is built in is left out."""

_XZ = b"\xfd7zXZ\0"


class MachineUnable(Exception):
    """This host lacks something to run a machine with; the message says what."""


def newest_kernel(boot: Path = Path("/boot")) -> str:
    """Return the release of the newest kernel that is installed with its modules.

    Raises:
        MachineUnable: there is none.
    """
    found = [path.name.removeprefix("vmlinuz-") for path in boot.glob("vmlinuz-*")]
    usable = [name for name in found if (modules_of(name) / "modules.dep").exists()]
    if not usable:
        raise MachineUnable(
            "no kernel with modules is installed: apt-get install linux-image-amd64"
        )
    return max(usable, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


def modules_of(release: str) -> Path:
    return Path("/lib/modules") / release


def unpack_kernel(release: str, cache: Path) -> Path:
    """Return the kernel as an ELF file, which QEMU boots directly (PVH); it is unpacked once.

    Raises:
        MachineUnable: it is not packed with xz, as Debian does up to 6.1.
    """
    packed = Path("/boot") / f"vmlinuz-{release}"
    status = packed.stat()
    elf = cache / f"vmlinux-{release}-{status.st_size}-{int(status.st_mtime)}"
    if not elf.exists():
        raw = packed.read_bytes()
        at = raw.find(_XZ)
        if at < 0:
            raise MachineUnable(f"{packed} is not packed with xz")
        cache.mkdir(parents=True, exist_ok=True)
        draft = elf.with_suffix(".tmp")
        draft.write_bytes(lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(raw[at:]))
        draft.rename(elf)
    return elf


def module_files(release: str, names: Iterable[str] = MODULES) -> list[Path]:
    """Return the files of modules and what they depend on, in the order in which they load."""
    base = modules_of(release)
    needs: dict[str, list[str]] = {}
    for line in (base / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in needs}
    order: dict[str, None] = {}
    for path in (by_name[name] for name in names if name in by_name):
        order.update(dict.fromkeys([*reversed(needs[path]), path]))
    return [base / path for path in order]


def build_initrd(release: str, init: str, files: dict[str, str]) -> bytes:
    """Return an initramfs with busybox, the modules, `/init` and further files.

    Raises:
        MachineUnable: there is no static busybox.
    """
    busybox = Path("/usr/bin/busybox")
    if not busybox.exists():
        raise MachineUnable("there is no busybox: apt-get install busybox-static")
    archive = Cpio()
    for directory in ("bin", "mods", "rig", "proc", "sys", "dev", "new", "lower", "upper"):
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    names = []
    for number, path in enumerate(module_files(release)):
        data = path.read_bytes()
        names.append(f"{number:02d}-{path.name.removesuffix('.xz')}")
        plain = lzma.decompress(data) if path.suffix == ".xz" else data
        archive.add(f"mods/{names[-1]}", stat.S_IFREG | 0o644, plain)
    archive.add("mods/order", stat.S_IFREG | 0o644, "".join(f"{n}\n" for n in names).encode())
    archive.add("init", stat.S_IFREG | 0o755, init.encode())
    for name, text in files.items():
        archive.add(f"rig/{name}", stat.S_IFREG | 0o644, text.encode())
    return archive.closed()


class Cpio:
    """An archive of the `newc` kind (Documentation/driver-api/early-userspace of Linux)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._inode = 1

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        label = name.encode() + b"\0"
        numbers = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(label), 0]
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
