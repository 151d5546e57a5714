"""VolumeAttachments of a CSI driver, joined with the volumes that they are about."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.kube.client import KubeClient

VOLUME_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
PERSISTENT_VOLUMES = "/api/v1/persistentvolumes"


@dataclass(frozen=True, slots=True)
class Claim:
    """One VolumeAttachment.

    Attributes:
        volume: the volume handle, which is the CSI volume ID.
        node: the name of the node.
        attached: what its status says.
        created: its creationTimestamp (RFC 3339, so it sorts as text); `name` breaks ties.
    """

    volume: str
    node: str
    attached: bool
    created: str
    name: str


async def list_claims(kube: KubeClient, driver: str) -> tuple[Claim, ...]:
    """Return the VolumeAttachments of a driver.

    Raises:
        Unreachable: the API does not answer.
    """
    attachments, volumes = await asyncio.gather(
        kube.list(VOLUME_ATTACHMENTS), kube.list(PERSISTENT_VOLUMES)
    )
    return join_claims(attachments, volumes, driver)


def join_claims(
    attachments: list[dict[str, Any]], volumes: list[dict[str, Any]], driver: str
) -> tuple[Claim, ...]:
    """Join VolumeAttachments with PersistentVolumes, both as JSON objects.

    An attachment whose PersistentVolume is gone counts for the handle that is spelled like its
    name, as external-provisioner makes them: a claim too many only delays, one too few loses data.
    """
    handles = {pv["metadata"]["name"]: _handle(pv.get("spec")) for pv in volumes}
    claims = []
    for attachment in attachments:
        spec = attachment["spec"]
        if spec.get("attacher") != driver:
            continue
        source = spec.get("source", {})
        name = source.get("persistentVolumeName", "")
        volume = handles.get(name) or _handle(source.get("inlineVolumeSpec")) or name
        metadata = attachment["metadata"]
        claims.append(
            Claim(
                volume=volume,
                node=spec["nodeName"],
                attached=bool(attachment.get("status", {}).get("attached")),
                created=metadata.get("creationTimestamp") or "",
                name=metadata["name"],
            )
        )
    return tuple(claims)


def _handle(spec: Mapping[str, Any] | None) -> str:
    return str(((spec or {}).get("csi") or {}).get("volumeHandle") or "")
