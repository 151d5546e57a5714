"""StorageClass parameters: one validated value, with errors that name the key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from libs.core.address import parse_host, parse_port
from libs.core.errors import InvalidRequest
from libs.core.fields import read, whole_seconds, word
from libs.core.ids import parse_nqn_prefix, shown
from libs.core.images import Layout
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.volumes import (
    CLASS_KEYS,
    DEFAULT_FILESYSTEM,
    RECONNECT_KEYS,
    Reconnect,
    check_filesystem,
    parse_mkfs_options,
    parse_reconnect,
)
from services.controller.config import ControllerSettings
from services.controller.happenings import ClaimName

PASSWORD_KEY = "nvmePassword"  # noqa: S105 (the name of a key)
"""Key of the secret that `auth=dhchap` needs."""

_SIDECAR_PREFIX = "csi.storage.k8s.io/"
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_CLAIM_KEYS = (_SIDECAR_PREFIX + "pvc/namespace", _SIDECAR_PREFIX + "pvc/name")
_FS_TYPE_KEYS = ("fsType", _SIDECAR_PREFIX + "fstype")
MUTABLE_KEYS = (*RECONNECT_KEYS, "fencing", "auth")
KNOWN_KEYS = CLASS_KEYS

_PASSWORD = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)


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


def read_claim(parameters: Mapping[str, str]) -> ClaimName | None:
    """Return the claim that a volume is for, where external-provisioner says (extra metadata)."""
    namespace, name = (parameters.get(key, "") for key in _CLAIM_KEYS)
    known = _OBJECT_NAME.fullmatch(namespace) and _OBJECT_NAME.fullmatch(name)
    return ClaimName(namespace, name) if known else None


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
        mkfs_options=read(given, "mkfsOptions", parse_mkfs_options, ""),
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


def parse_migration_timeout(given: Mapping[str, str], field: str = "parameters") -> int:
    """Read how many seconds a live migration may take."""
    return read(given, "migrationTimeoutSeconds", whole_seconds(30, 3600), 300, field)


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
