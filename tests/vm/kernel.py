"""Kernels to boot: the one that is installed, or one whose Debian package was just unpacked."""

import lzma
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path.home() / ".cache" / "rds-csi-vm"
"""Where kernels are kept: unpacked here, and below `kernels` what `.ci/vm-kernel` fetched."""

_AUTHENTICATION = ("CONFIG_NVME_HOST_AUTH=y", "CONFIG_NVME_TARGET_AUTH=y")
_XZ, _ZSTD, _ELF = b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x7fELF"


class MachineUnable(Exception):
    """This host lacks something to run a machine with; the message says what."""


@dataclass(frozen=True)
class Kernel:
    """A kernel with its modules.

    Attributes:
        release: as `uname -r` prints it.
        root: below which `boot` and `lib/modules` lie.
    """

    release: str
    root: Path = Path("/")

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.root / "lib" / "modules" / self.release

    @property
    def config(self) -> Path:
        return self.root / "boot" / f"config-{self.release}"

    @property
    def has_authentication(self) -> bool:
        """Whether it was built with DH-CHAP, as a host and as a target."""
        if not self.config.exists():
            return False
        lines = set(self.config.read_text().splitlines())
        return lines.issuperset(_AUTHENTICATION)

    def unpacked(self, cache: Path = CACHE) -> Path:
        """Return the image as an ELF file, which QEMU boots directly (PVH); it is unpacked once.

        The guest would take seconds to unpack it itself.

        Raises:
            MachineUnable: it is packed in a way that is not known here, or zstd is missing.
        """
        status = self.image.stat()
        elf = cache / f"vmlinux-{self.release}-{status.st_size}-{int(status.st_mtime)}"
        if not elf.exists():
            plain = unpack_image(self.image.read_bytes())
            if not plain.startswith(_ELF):
                raise MachineUnable(f"{self.image} is packed in a way that is not known here")
            cache.mkdir(parents=True, exist_ok=True)
            draft = elf.with_suffix(".tmp")
            draft.write_bytes(plain)
            draft.rename(elf)
        return elf

    def module_files(self, names: Iterable[str]) -> list[Path]:
        """Return the files of modules and what they depend on, in the order in which they load.

        A module that is not there is built in, and left out.
        """
        needs: dict[str, list[str]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
        by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in needs}
        order: dict[str, None] = {}
        for path in (by_name[name] for name in names if name in by_name):
            order.update(dict.fromkeys([*reversed(needs[path]), path]))
        return [self.modules / path for path in order]


def kernels_in(root: Path) -> list[Kernel]:
    """Return the kernels below a directory that have their modules, the newest first."""
    found = [path.name.removeprefix("vmlinuz-") for path in (root / "boot").glob("vmlinuz-*")]
    kernels = [Kernel(release, root) for release in found]
    usable = [kernel for kernel in kernels if (kernel.modules / "modules.dep").exists()]
    return sorted(usable, key=lambda kernel: age_of(kernel.release), reverse=True)


def age_of(release: str) -> list[int]:
    """Return what sorts releases: 6.12 is newer than 6.2."""
    return [int(part) for part in re.findall(r"\d+", release)]


def installed_kernel(root: Path = Path("/")) -> Kernel:
    """Return the newest kernel that is installed with its modules, or unpacked in a directory.

    Raises:
        MachineUnable: there is none.
    """
    kernels = kernels_in(root)
    if not kernels:
        raise MachineUnable(
            f"no kernel with modules is below {root}"
            if root != Path("/")
            else "no kernel with modules is installed: apt-get install linux-image-amd64"
        )
    return kernels[0]


def kernel_with_authentication(first: Kernel, cache: Path = CACHE) -> Kernel | None:
    """Return a kernel that has DH-CHAP: the given one, or the newest that was fetched."""
    fetched = [
        kernel for root in sorted((cache / "kernels").glob("*")) for kernel in kernels_in(root)
    ]
    newest_first = sorted(fetched, key=lambda kernel: age_of(kernel.release), reverse=True)
    return next((each for each in (first, *newest_first) if each.has_authentication), None)


def unpack_image(raw: bytes) -> bytes:
    """Return the kernel in an image that unpacks itself.

    Raises:
        MachineUnable: the tool for it is missing.
    """
    if (at := raw.find(_XZ)) >= 0:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(raw[at:])
    if (at := raw.find(_ZSTD)) >= 0:
        return _unpack_zstd(raw[at:])
    return b""


def unpack_module(path: Path) -> tuple[str, bytes]:
    """Return a module's name, without how it is packed, and its plain content.

    Raises:
        MachineUnable: the tool for it is missing.
    """
    data = path.read_bytes()
    if path.suffix == ".xz":
        return path.stem, lzma.decompress(data)
    if path.suffix == ".zst":
        return path.stem, _unpack_zstd(data)
    return path.name, data


def _unpack_zstd(data: bytes) -> bytes:
    """Unpack with the tool: Python has had it since 3.14.

    What follows the kernel in its image makes the tool complain after it has done its work, so that
    its exit status says nothing.
    """
    if shutil.which("zstd") is None:
        raise MachineUnable("there is no zstd: apt-get install zstd")
    return subprocess.run(
        ["zstd", "-dcq"],  # noqa: S607
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    ).stdout
