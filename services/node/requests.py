"""From CSI requests to values. What a request names is checked here, once."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from libs.core.address import NVME_TCP_PORT, parse_host, parse_port
from libs.core.errors import InvalidRequest
from libs.core.fields import read
from libs.core.ids import Nqn, VolumeId, shown
from libs.core.secret import Secret
from libs.core.size import MAX_BYTES, CapacityRange
from libs.core.volumes import (
    AUTH_DHCHAP,
    AUTH_KEY,
    DEFAULT_FILESYSTEM,
    PUBLISHED_KEYS,
    RECONNECT_KEYS,
    SIZE_KEY,
    parse_mkfs_options,
    parse_reconnect,
)
from libs.csikit.capability import Capability, parse_capability
from libs.nvmeof.model import Target
from libs.nvmeof.mountopts import parse_options
from protos.gen.csi import v1 as csi
from services.node.volume import Publication, Use

SECRET_KEY = "nvmeSecret"  # noqa: S105 (the name of a key)
"""Key of the node-stage secret that `auth=dhchap` needs: `DHHC-1:...:`, as the device shows it."""

_SECRET = re.compile(r"DHHC-1:0[0-3]:[A-Za-z0-9+/]{40,140}={0,2}:", re.ASCII)
_LONGEST_PATH = 4095
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SIZE = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What NodeExpandVolume asks for.

    Attributes:
        volume: which volume.
        path: where it is.
        size: bytes that it should have at least; 0 where that is open.
    """

    volume: VolumeId
    path: str
    size: int


def parse_path(text: str, field: str, root: str) -> str:
    """Return a path below the kubelet's directory.

    Args:
        text: the path.
        field: its name in the request.
        root: the directory.

    Raises:
        InvalidRequest: it is empty, not absolute, climbs, or lies elsewhere.
    """
    if not text:
        raise InvalidRequest(f"{field} must not be empty")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    path = "/" + "/".join(parts)
    if len(text.encode(errors="replace")) > _LONGEST_PATH or _CONTROL.search(text):
        raise InvalidRequest(f"{field} must be a path of at most {_LONGEST_PATH} bytes")
    if not text.startswith("/") or ".." in parts:
        raise InvalidRequest(f"{field} must be an absolute path without '..', not {shown(text)}")
    if not path.startswith(f"{root}/"):
        raise InvalidRequest(f"{field} must lie below {root}, not {shown(text)}")
    return path


def parse_stage(
    request: csi.NodeStageVolumeRequest, root: str, prefixes: Collection[str]
) -> tuple[Use, Secret | None]:
    """Read NodeStageVolume.

    Args:
        request: the request.
        root: the kubelet's directory.
        prefixes: what the NQNs of volumes begin with, up to and without the colon.

    Raises:
        InvalidRequest: a field breaks the rule that the message says.
    """
    volume = VolumeId.parse(request.volume_id)
    staging = parse_path(request.staging_target_path, "staging_target_path", root)
    context = request.volume_context
    published = request.publish_context
    capability = _capability(request.volume_capability, published)
    options = _options(request.volume_capability)
    authenticated = context.get(AUTH_KEY) == AUTH_DHCHAP
    use = Use(
        volume=volume,
        target=_target(published, context, prefixes),
        staging=staging,
        fs_type=capability.fs_type,
        options=options,
        mkfs_options=tuple(
            read(context, "mkfsOptions", parse_mkfs_options, "", "volume_context").split()
        ),
        mode=capability.mode,
        size=_size(published),
        authenticated=authenticated,
    )
    return use, _secret(request.secrets) if authenticated else None


def parse_publish(
    request: csi.NodePublishVolumeRequest, root: str
) -> tuple[VolumeId, Publication, Use]:
    """Read NodePublishVolume: which volume, where, and how it says that the volume is staged.

    Raises:
        InvalidRequest: a field breaks the rule that the message says.
    """
    volume = VolumeId.parse(request.volume_id)
    path = parse_path(request.target_path, "target_path", root)
    capability = _capability(request.volume_capability, request.publish_context)
    options = _options(request.volume_capability)
    staging = request.staging_target_path
    asked = Use(
        volume=volume,
        target=_NOWHERE,
        staging=parse_path(staging, "staging_target_path", root) if staging else "",
        fs_type=capability.fs_type,
        options=options,
        mode=capability.mode,
    )
    return volume, Publication(path, request.readonly or "ro" in options), asked


def parse_adoptable(
    request: csi.NodePublishVolumeRequest, staging: str, prefixes: Collection[str]
) -> Use | None:
    """Read from NodePublishVolume how the volume was staged, for one that another plugin staged.

    Args:
        request: the request, which `parse_publish` has taken.
        staging: its staging path, as the table of mounts spells it.
        prefixes: what the NQNs of volumes begin with, up to and without the colon.

    Returns:
        How it was staged; None where the request does not say all of that.
    """
    if not staging:
        return None
    context, published = request.volume_context, request.publish_context
    capability = _capability(request.volume_capability, published)
    try:
        return Use(
            volume=VolumeId.parse(request.volume_id),
            target=_target(published, context, prefixes),
            staging=staging,
            fs_type=capability.fs_type,
            options=_options(request.volume_capability),
            mode=capability.mode,
            size=_size(published),
            authenticated=context.get(AUTH_KEY) == AUTH_DHCHAP,
        )
    except InvalidRequest:
        return None


def parse_volume_path(volume_id: str, path: str, field: str, root: str) -> tuple[VolumeId, str]:
    """Read a volume and the path at which it is.

    Raises:
        InvalidRequest: one of them is missing, or could be no volume's.
    """
    return VolumeId.parse(volume_id), parse_path(path, field, root)


def parse_expand(request: csi.NodeExpandVolumeRequest, root: str) -> Expansion:
    """Read NodeExpandVolume.

    Raises:
        InvalidRequest: a field breaks the rule that the message says.
    """
    volume, path = parse_volume_path(request.volume_id, request.volume_path, "volume_path", root)
    if request.volume_capability is not None:
        parse_capability(request.volume_capability)
    asked = request.capacity_range or csi.CapacityRange()
    return Expansion(volume, path, CapacityRange(asked.required_bytes, asked.limit_bytes).required)


_NOWHERE = Target(Nqn("nqn.2014-08.org.nvmexpress:nowhere"), "", NVME_TCP_PORT)
"""Publishing does not connect; the record has the target."""


def _capability(
    capability: csi.VolumeCapability | None, published: Mapping[str, str]
) -> Capability:
    parsed = parse_capability(capability, published.get("fs_type") or DEFAULT_FILESYSTEM)
    if capability and capability.mount and capability.mount.volume_mount_group:
        raise InvalidRequest(
            "volume_capability.mount.volume_mount_group is not supported: the kubelet sets the "
            "group of files (fsGroupPolicy File)"
        )
    return parsed


def _options(capability: csi.VolumeCapability | None) -> tuple[str, ...]:
    if capability is None or capability.mount is None:
        return ()
    return parse_options(capability.mount.mount_flags, "volume_capability.mount.mount_flags")


def _target(
    published: Mapping[str, str], context: Mapping[str, str], prefixes: Collection[str]
) -> Target:
    """Return where the volume is: the publish context says it, and the volume's if it does not."""
    field = "publish_context"
    changed = {key: published[name] for key, name in PUBLISHED_KEYS.items() if name in published}
    kept = {key: context[key] for key in RECONNECT_KEYS if key in context}
    reconnect = parse_reconnect({**kept, **changed})
    address = published.get("nvme_address") or context.get("nvmeAddress", "")
    port = published.get("nvme_port") or context.get("nvmePort") or str(NVME_TCP_PORT)
    nqn = published.get("nvme_nqn") or context.get("nqn", "")
    if not nqn:
        raise InvalidRequest(f"{field}.nvme_nqn must be given: the controller sets it")
    if not nqn.startswith(tuple(f"{prefix}:" for prefix in prefixes)):
        raise InvalidRequest(
            f"{field}.nvme_nqn must begin with a prefix of --managed-nqn-prefixes and a colon"
        )
    return Target(
        nqn=Nqn.parse(nqn, f"{field}.nvme_nqn"),
        address=parse_host(address, f"{field}.nvme_address"),
        port=parse_port(port, f"{field}.nvme_port"),
        ctrl_loss=reconnect.ctrl_loss,
        reconnect_delay=reconnect.delay,
        keep_alive=reconnect.keep_alive,
    )


def _size(published: Mapping[str, str]) -> int | None:
    text = published.get(SIZE_KEY)
    if text is None:
        return None
    if not _SIZE.fullmatch(text) or not 0 < int(text) <= MAX_BYTES:
        raise InvalidRequest(f"publish_context.{SIZE_KEY} must be a number of bytes")
    return int(text)


def _secret(secrets: Mapping[str, str]) -> Secret:
    text = secrets.get(SECRET_KEY, "")
    if not _SECRET.fullmatch(text):
        raise InvalidRequest(
            f"secrets.{SECRET_KEY} must be given for auth=dhchap, in the form DHHC-1:...: that the "
            "device shows"
        )
    return Secret(text)
