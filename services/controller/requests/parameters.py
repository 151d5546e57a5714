"""StorageClass parameters: one validated value, with errors that name the key."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from libs.core.errors import InvalidRequest
from libs.core.ids import shown
from libs.core.images import Layout
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import MIB
from services.controller.config import ControllerSettings, parse_host, parse_nqn_prefix, parse_port
from services.controller.requests.fields import read, whole, word

DEFAULT_FILESYSTEM = "ext4"
MIN_BYTES = {"ext4": 16 * MIB, "ext3": 16 * MIB, "xfs": 300 * MIB, "btrfs": 128 * MIB}
"""Smallest volume on which the tools make that filesystem: mkfs.xfs asks for 300 MiB, mkfs.btrfs
for about 110 MiB."""

PASSWORD_KEY = "nvmePassword"  # noqa: S105 (the name of a key)
"""Key of the secret that `auth=dhchap` needs."""

_SIDECAR_PREFIX = "csi.storage.k8s.io/"
_FS_TYPE_KEYS = ("fsType", _SIDECAR_PREFIX + "fstype")
RECONNECT_KEYS = ("ctrlLossTmo", "reconnectDelay", "keepAliveTmo")
MUTABLE_KEYS = (*RECONNECT_KEYS, "fencing", "auth")
KNOWN_KEYS = (
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

_DAY = 86_400
_MKFS_WORD = re.compile(r"[A-Za-z0-9=,._:^+%-]{1,64}", re.ASCII)
_FORCE = re.compile(r"-[A-Za-z]{0,4}[fF][A-Za-z]{0,4}|--force.*", re.ASCII)
_MAX_MKFS = 256
_PASSWORD = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a host reconnects, in seconds.

    Attributes:
        ctrl_loss: how long it tries; -1 for ever. Anything else ends with I/O errors and a
            filesystem that is read-only until it is mounted again.
        delay: between two tries.
        keep_alive: without an answer until the connection counts as lost; 0 for the kernel's own.
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


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a StorageClass, with the driver's settings for what they leave out."""

    directory: DevicePath
    nvme_address: str
    nvme_port: int
    nqn_prefix: str
    fs_type: str
    mkfs_options: str
    reconnect: Reconnect
    migration_timeout: int
    layout: Layout
    fenced: bool
    authenticated: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What ControllerModifyVolume asks for; None for what is to stay.

    Attributes:
        reconnect: the reconnect options that were given, by their keys.
        fenced: whether the device is to admit only the nodes that hold the volume.
        authenticated: whether hosts are to authenticate themselves.
    """

    reconnect: Mapping[str, str]
    fenced: bool | None = None
    authenticated: bool | None = None


def parse_parameters(given: Mapping[str, str], settings: ControllerSettings) -> Parameters:
    """Read the parameters of a StorageClass.

    Raises:
        InvalidRequest: a key is unknown, or a value breaks the rule that the message says.
    """
    _check_known(given, KNOWN_KEYS, "parameters")
    _check_device(given, settings)
    fs_type = next((given[key] for key in _FS_TYPE_KEYS if given.get(key)), DEFAULT_FILESYSTEM)
    return Parameters(
        directory=_directory(given, settings),
        nvme_address=read(given, "nvmeAddress", parse_host, settings.nvme_address),
        nvme_port=read(given, "nvmePort", parse_port, settings.nvme_port),
        nqn_prefix=read(given, "nqnPrefix", parse_nqn_prefix, settings.nqn_prefix),
        fs_type=check_filesystem("parameters.fsType", fs_type),
        mkfs_options=read(given, "mkfsOptions", _mkfs_options, ""),
        reconnect=parse_reconnect(given),
        migration_timeout=parse_migration_timeout(given),
        layout=read(given, "layout", _layout, Layout.FILE),
        fenced=_fenced(given, settings) or False,
        authenticated=_authenticated(given) or False,
    )


def parse_changes(given: Mapping[str, str], settings: ControllerSettings) -> Changes:
    """Read mutable parameters.

    Raises:
        InvalidRequest: a key is unknown or cannot change, or a value breaks its rule.
    """
    _check_known(given, MUTABLE_KEYS, "mutable_parameters")
    parse_reconnect(given)
    return Changes(
        {key: given[key] for key in RECONNECT_KEYS if key in given},
        _fenced(given, settings),
        _authenticated(given),
    )


def parse_reconnect(given: Mapping[str, str]) -> Reconnect:
    """Read the reconnect options; other keys are left alone."""
    default = Reconnect()
    return Reconnect(
        read(given, "ctrlLossTmo", whole(-1, _DAY), default.ctrl_loss),
        read(given, "reconnectDelay", whole(1, 3600), default.delay),
        read(given, "keepAliveTmo", whole(0, 3600), default.keep_alive),
    )


def parse_migration_timeout(given: Mapping[str, str], field: str = "parameters") -> int:
    """Read how many seconds a live migration may take."""
    return read(given, "migrationTimeoutSeconds", whole(30, 3600), 300, field)


def parse_password(secrets: Mapping[str, str], *, needed: bool) -> Secret | None:
    """Read the password of `auth=dhchap` from the secrets of a request.

    Raises:
        InvalidRequest: it is needed and missing, or the device could not take it.
    """
    if not needed:
        return None
    text = secrets.get(PASSWORD_KEY, "")
    if not _PASSWORD.fullmatch(text):
        raise InvalidRequest(
            f"secrets.{PASSWORD_KEY} must be given for auth=dhchap: 8 to 128 printable ASCII "
            "characters without spaces"
        )
    return Secret(text)


def check_filesystem(field: str, fs_type: str) -> str:
    """Return the filesystem, if it is one that nodes can make.

    Raises:
        InvalidRequest: it is not.
    """
    if fs_type not in MIN_BYTES:
        raise InvalidRequest(f"{field} must be one of {', '.join(MIN_BYTES)}, not {shown(fs_type)}")
    return fs_type


def _check_known(given: Mapping[str, str], known: tuple[str, ...], field: str) -> None:
    unknown = [k for k in given if k not in known and not k.startswith(_SIDECAR_PREFIX)]
    if unknown:
        raise InvalidRequest(
            f"{field} has unknown keys {', '.join(shown(key) for key in sorted(unknown))}; "
            f"known are {', '.join(known)}"
        )


def _check_device(given: Mapping[str, str], settings: ControllerSettings) -> None:
    """Check the keys of the existing driver that say how the device is reached."""
    for key in ("sshPort", "rdsPort"):
        port = read(given, key, parse_port, settings.rds_port)
        if port != settings.rds_port:
            raise InvalidRequest(
                f"parameters.{key} is {port}, but device {settings.rds_name} is managed on port "
                f"{settings.rds_port}"
            )


def _layout(text: str, field: str) -> Layout:
    return Layout(word(text, field, tuple(layout.value for layout in Layout)))


def _fenced(given: Mapping[str, str], settings: ControllerSettings) -> bool | None:
    if "fencing" not in given:
        return None
    fenced = word(given["fencing"], "parameters.fencing", ("off", "host")) == "host"
    if fenced and not settings.fencing:
        raise InvalidRequest(
            "parameters.fencing=host is not allowed here: the controller runs without --fencing"
        )
    return fenced


def _authenticated(given: Mapping[str, str]) -> bool | None:
    if "auth" not in given:
        return None
    return word(given["auth"], "parameters.auth", ("off", "dhchap")) == "dhchap"


def _directory(given: Mapping[str, str], settings: ControllerSettings) -> DevicePath:
    paths = {
        key: DevicePath.parse(given[key], f"parameters.{key}")
        for key in ("volumePath", "rdsBasePath")
        if given.get(key)
    }
    if len(set(paths.values())) > 1:
        raise InvalidRequest("parameters.volumePath and rdsBasePath must not differ")
    for key, path in paths.items():
        if path not in settings.volume_base_paths:
            allowed = ", ".join(str(base) for base in settings.volume_base_paths)
            raise InvalidRequest(
                f"parameters.{key} must be one of the directories that the driver may use "
                f"({allowed}), not {path}"
            )
    return next(iter(paths.values()), settings.volume_base_paths[0])


def _mkfs_options(text: str, field: str) -> str:
    """Check options that nodes pass to mkfs, as words and never through a shell."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = ["'"]
    if len(text) > _MAX_MKFS or not all(_MKFS_WORD.fullmatch(word) for word in words):
        raise InvalidRequest(
            f"{field} must be at most {_MAX_MKFS} characters of options, each made of letters, "
            "digits and = , . _ : ^ + % -"
        )
    if any(_FORCE.fullmatch(word) for word in words):
        raise InvalidRequest(
            f"{field} must not force (-f, -F, --force): what mkfs refuses to overwrite may be data"
        )
    return " ".join(words)
