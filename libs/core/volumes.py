"""How nodes use a volume: what StorageClasses and volume contexts say of it, as values."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from libs.core.errors import InvalidRequest
from libs.core.fields import read, whole_seconds
from libs.core.ids import shown
from libs.core.size import MIB

DEFAULT_FILESYSTEM = "ext4"
MIN_BYTES = {"ext4": 16 * MIB, "ext3": 16 * MIB, "xfs": 300 * MIB, "btrfs": 128 * MIB}
"""Smallest volume on which the tools make that filesystem: mkfs.xfs asks for 300 MiB, mkfs.btrfs
for about 110 MiB."""

RECONNECT_KEYS = ("ctrlLossTmo", "reconnectDelay", "keepAliveTmo")

CLASS_KEYS = (
    "rds",
    "volumePath",
    "nvmeAddress",
    "nvmePort",
    "nqnPrefix",
    "fsType",
    "mkfsOptions",
    *RECONNECT_KEYS,
    "migrationTimeoutSeconds",
    "layout",
    "fencing",
    "auth",
    "rdsAddress",
    "sshPort",
    "rdsPort",
    "rdsBasePath",
)
"""What the controller takes of a StorageClass, beside the keys of sidecars."""

PUBLISHED_KEYS = dict(
    zip(RECONNECT_KEYS, ("ctrl_loss_tmo", "reconnect_delay", "keep_alive_tmo"), strict=True)
)
"""Keys of the publish context under which changed reconnect options override the volume's own."""

SIZE_KEY = "size_bytes"
"""Key of the publish context with the size of the volume when it was published."""

AUTH_KEY, AUTH_DHCHAP = "auth", "dhchap"
"""Key and value of the volume context of a volume that hosts must authenticate themselves for."""

_DAY = 86_400
_MKFS_WORD = re.compile(r"[A-Za-z0-9=,._:^+%-]{1,64}", re.ASCII)
# Options go together in a word as long as none takes a value: those that do not are, of any mkfs,
# CDKMNSVcjqv (getopt in misc/mke2fs.c, mkfs/xfs_mkfs.c and mkfs/main.c of btrfs-progs, which takes
# long options cut short, too). -C forces in mkfs.xfs, and is a number of bytes in mkfs.ext4.
_FORCE = re.compile(
    r"(?:^| )(?:--fo|-[A-Za-z]{1,4}[fF][A-Za-z]{0,4}(?: |$)|-[CDKMNSVcjqv]*(?:[fF]|C(?! ?[0-9])))",
    re.ASCII,
)
_MAX_MKFS = 256


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a host reconnects, in seconds.

    Attributes:
        ctrl_loss: how long it tries; -1 for ever. Anything else ends with I/O errors and a
            filesystem that is read-only until it is mounted again.
        delay: between two tries.
        keep_alive: without an answer until the connection counts as lost; 0 for the kernel's own.

    Raises:
        InvalidRequest: the host would give up before its first try.
    """

    ctrl_loss: int = -1
    delay: int = 5
    keep_alive: int = 0

    def __post_init__(self) -> None:
        if 0 <= self.ctrl_loss < self.delay:
            raise InvalidRequest(
                f"parameters.ctrlLossTmo ({self.ctrl_loss}) must not be below reconnectDelay "
                f"({self.delay}): the host would never try"
            )

    @property
    def context(self) -> dict[str, str]:
        """The same under the keys of the volume context."""
        return dict(
            zip(
                RECONNECT_KEYS, map(str, (self.ctrl_loss, self.delay, self.keep_alive)), strict=True
            )
        )


def parse_reconnect(given: Mapping[str, str]) -> Reconnect:
    """Read the reconnect options; other keys are left alone.

    Raises:
        InvalidRequest: one is out of its bounds, or they do not go together.
    """
    default = Reconnect()
    return Reconnect(
        read(given, "ctrlLossTmo", whole_seconds(-1, _DAY), default.ctrl_loss),
        read(given, "reconnectDelay", whole_seconds(1, 3600), default.delay),
        read(given, "keepAliveTmo", whole_seconds(0, 3600), default.keep_alive),
    )


def check_filesystem(field: str, fs_type: str) -> str:
    """Return the filesystem, if it is one that nodes can make.

    Raises:
        InvalidRequest: it is not.
    """
    if fs_type not in MIN_BYTES:
        raise InvalidRequest(f"{field} must be one of {', '.join(MIN_BYTES)}, not {shown(fs_type)}")
    return fs_type


def parse_mkfs_options(text: str, field: str) -> str:
    """Return options for mkfs, which nodes pass on as words and never through a shell.

    Raises:
        InvalidRequest: they are not such options, or would have mkfs overwrite what is there.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        words = ["'"]
    if len(text) > _MAX_MKFS or not all(_MKFS_WORD.fullmatch(word) for word in words):
        raise InvalidRequest(
            f"{field} must be at most {_MAX_MKFS} characters of options, each made of letters, "
            "digits and = , . _ : ^ + % -"
        )
    options = " ".join(words)
    if _FORCE.search(options):
        raise InvalidRequest(
            f"{field} must not force (-f, -F, --force, and -C of mkfs.xfs): what mkfs refuses to "
            "overwrite may be data"
        )
    return options
