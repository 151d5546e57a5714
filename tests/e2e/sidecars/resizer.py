"""What external-resizer does: a claim that asks for more makes its volume grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from libs.kube.answers import Object
from libs.kube.paths import PERSISTENT_VOLUMES
from protos.gen.csi import v1 as csi
from tests.e2e.sidecars.serving import (
    CLAIMS,
    Sidecar,
    Work,
    capability,
    is_ours,
    meta,
    quantity,
    status,
)

_PENDING = "FileSystemResizePending"


@dataclass
class Resizer(Sidecar):
    """Calls ControllerExpandVolume."""

    def __post_init__(self) -> None:
        self._claims = self.watch(CLAIMS)
        self._volumes = self.watch(PERSISTENT_VOLUMES)

    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield claims that ask for more than they have."""
        for claim in self._claims.values():
            volume = self._volumes.get(claim["spec"].get("volumeName", ""))
            if volume is not None and is_ours(volume) and _wants_more(claim):
                yield f"expand {meta(volume)['name']}", partial(self._expand, claim)

    async def _expand(self, claim: Object) -> None:
        space, name = meta(claim)["namespace"], meta(claim)["name"]
        path = f"/api/v1/namespaces/{space}/persistentvolumeclaims/{name}"
        now = await self.kube.get(path)
        if now is None or not _wants_more(now):
            return
        place = f"{PERSISTENT_VOLUMES}/{now['spec']['volumeName']}"
        volume = await self.kube.get(place)
        if volume is None:
            return
        source = volume["spec"]["csi"]
        wanted = quantity(now["spec"]["resources"]["requests"]["storage"])
        request = csi.ControllerExpandVolumeRequest(
            volume_id=source["volumeHandle"],
            capacity_range=csi.CapacityRange(required_bytes=wanted),
            volume_capability=capability(volume["spec"], source.get("fsType", "ext4")),
        )
        answer = await self.controller.controller_expand_volume(request)
        size = {"storage": str(answer.capacity_bytes)}
        await self.kube.patch(place, {"spec": {"capacity": size}})
        if answer.node_expansion_required:
            condition = {"type": _PENDING, "status": "True"}
            await self.kube.patch(f"{path}/status", {"status": {"conditions": [condition]}})
        else:
            await self.kube.patch(f"{path}/status", {"status": {"capacity": size}})


def _wants_more(claim: Object) -> bool:
    """Return whether the controller has something to do; with that condition the kubelet has."""
    found = status(claim)
    if found.get("phase") != "Bound" or "storage" not in found.get("capacity", {}):
        return False
    if any(one["type"] == _PENDING for one in found.get("conditions") or []):
        return False
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    return quantity(wanted) > quantity(found["capacity"]["storage"])
