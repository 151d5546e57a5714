"""What is on the devices, and whom they let in: whole for each device, or failed."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from libs.core.errors import InvalidRequest, RdsCsiError, Unreachable
from libs.core.ids import MANAGED_PREFIXES, NodeId, VolumeId
from libs.rdsclient.model import FileDisk
from services.controller.plan.inventory import Inventory, take_inventory
from services.controller.plan.steps import unmounted
from services.controller.ports import Cluster, Device, KnownClaim, Node, Registry
from services.controller.sites import Site


@dataclass(frozen=True, slots=True)
class Stock:
    """One device's inventory, or why there is none.

    Attributes:
        site: the device.
        began: when the reading began, in seconds since 1970.
        inventory: all that is there; None where that could not be read.
        reachable: whether the device answered.
        error: why there is no inventory.
    """

    site: Site
    began: float
    inventory: Inventory | None
    reachable: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A claim, its node, and its volume on the device.

    Attributes:
        known: the claim.
        node: the node; None where there is none of that name.
        asked: whether the device could be asked.
        disk: the volume's disk; None where the device has none.
    """

    known: KnownClaim
    node: Node | None
    asked: bool
    disk: FileDisk | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """Claims, and the devices that could not be asked, with the reason."""

    held: tuple[Held, ...]
    unknown: tuple[tuple[str, str], ...]
    began: float


class Stocktaker:
    """Reads devices and claims."""

    def __init__(
        self,
        devices: Sequence[tuple[Site, Device]],
        cluster: Cluster,
        registry: Registry,
    ) -> None:
        self._devices = tuple(devices)
        self._cluster = cluster
        self._registry = registry

    async def take(self, names: Collection[str]) -> tuple[Stock, ...]:
        """Return the inventories of the devices of these names, or of all.

        Raises:
            InvalidRequest: there is no device of such a name.
        """
        known = {site.name for site, _ in self._devices}
        for name in names:
            if name not in known:
                raise InvalidRequest(f"no device is named {name}")
        chosen = [pair for pair in self._devices if not names or pair[0].name in names]
        return tuple(await asyncio.gather(*(self._take(*pair) for pair in chosen)))

    async def _take(self, site: Site, device: Device) -> Stock:
        began = time.time()
        bases = site.settings.volume_base_paths
        try:
            storage = await device.list_storage(bases)
        except RdsCsiError as error:
            reachable = not isinstance(error, Unreachable)
            return Stock(site, began, None, reachable, error.message)
        if missing := unmounted(bases, storage.pools):
            pools = ", ".join(missing)
            return Stock(site, began, None, error=f"not mounted on the device: {pools}")
        # Beside the event loop: ten thousand items take a second.
        inventory = await asyncio.to_thread(take_inventory, storage, bases)
        return Stock(site, began, inventory)

    async def holdings(self, volume: VolumeId | None, node: NodeId | None) -> Holdings:
        """Return the claims to a volume or to all, of a node or of all."""
        began = time.time()
        claims = await self._registry.claims(volume)
        claims = tuple(k for k in claims if node is None or k.claim.node == node.text)
        names = sorted({known.claim.node for known in claims})
        nodes = {name: await self._cluster.node(name) for name in names}
        sites = [
            pair for pair in self._devices if volume is None or pair[0].suffix == volume.device
        ]
        lists = await asyncio.gather(*(_disks(device) for _, device in sites))
        disks = {site.suffix: found for (site, _), (found, _) in zip(sites, lists, strict=True)}
        unknown = [
            (s.name, error) for (s, _), (_, error) in zip(sites, lists, strict=True) if error
        ]
        held = [_held(known, nodes[known.claim.node], disks) for known in claims]
        return Holdings(tuple(held), tuple(unknown), began)


async def _disks(device: Device) -> tuple[Mapping[str, FileDisk] | None, str]:
    try:
        disks, _ = await device.list_inventory(MANAGED_PREFIXES)
    except RdsCsiError as error:
        return None, error.message
    return {disk.slot: disk for disk in disks}, ""


def _held(
    known: KnownClaim, node: Node | None, disks: Mapping[str, Mapping[str, FileDisk] | None]
) -> Held:
    slot, _, device = known.volume.partition("@")
    found = disks.get(device)
    return Held(known, node, found is not None, found.get(slot) if found else None)
