"""Who may use a volume: publishing, taking back, and what the device is told of it."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from libs.core.errors import InUse, NotFound
from libs.core.ids import NodeId, VolumeId
from libs.rdsclient.model import FileDisk
from services.controller.plan.attach import (
    check_holders,
    plan_fencing,
    plan_publish,
    plan_revoke,
    render_hosts,
)
from services.controller.plan.steps import found, managed
from services.controller.ports import Attachment, Cluster, Device, Node
from services.controller.requests.capabilities import SHARED_READ_MODES
from services.controller.requests.volumes import Modification, Publication
from services.controller.sites import Site
from services.controller.workflow.converge import converge, terms_of

log = structlog.get_logger(__name__)


class Attacher:
    """Publishes volumes; one instance for one device."""

    def __init__(self, device: Device, cluster: Cluster, site: Site) -> None:
        settings = site.settings
        self._device = device
        self._cluster = cluster
        self._site = site
        self._pool = settings.volume_base_paths[0].pool
        self._fencing = settings.fencing
        self._two_hosts = settings.fencing_two_hosts

    async def publish(self, wanted: Publication) -> tuple[FileDisk, Mapping[str, str]]:
        """Let a node use a volume; return it and the parameters in force. One round trip.

        Raises:
            NotFound: there is no such volume or node.
            InUse: another node holds it, or the device does not offer it.
        """
        node = await self._cluster.node(wanted.node.text)
        if node is None:
            raise NotFound(f"node {wanted.node} does not exist")
        held = await self._holders(wanted)
        hosts = await self._hosts(wanted, node, held) if self._fencing else None
        plan = partial(plan_publish, wanted, hosts, terms_of(self._site))
        disk = found(wanted.volume, await converge(self._device, plan))
        await self._cluster.record(
            wanted.volume,
            wanted.node,
            use=str(wanted.capability),
            read_only=wanted.capability.mode in SHARED_READ_MODES,
        )
        return disk, await self._cluster.parameters_of(wanted.volume)

    async def _holders(self, wanted: Publication) -> tuple[Attachment, ...]:
        """Return the claims to the volume, once they leave room for this node.

        A refusal rests on what is true now and on nodes that there are: a claim of a node that no
        longer exists holds nothing up.
        """
        held = await self._cluster.of_volume(wanted.volume, wanted.node)
        try:
            check_holders(wanted, held, time.time())
        except InUse:
            held = await self._of_living(wanted.volume)
            check_holders(wanted, held, time.time())
        return held

    async def _of_living(self, volume: VolumeId) -> tuple[Attachment, ...]:
        living = []
        for claim in await self._cluster.of_volume(volume):
            if await self._cluster.node(claim.node) is None:
                log.warning(
                    "a node that no longer exists does not count",
                    volume=volume.text,
                    node=claim.node,
                )
                continue
            living.append(claim)
        return tuple(living)

    async def _hosts(
        self, wanted: Publication, node: Node, held: Sequence[Attachment]
    ) -> str | None:
        """Return whom a fenced volume is to admit; None where this one cannot be fenced at all.

        A node that has not said its host NQN matters only if the volume turns out to be fenced.
        """
        others = await self._nodes({c.node for c in held if c.attached} - {node.name})
        try:
            return render_hosts([*others, node], self._two_hosts)
        except InUse:
            disk = found(
                wanted.volume, await self._device.read_slot(wanted.volume.slot, self._pool)
            )
            if disk.export is None or not disk.export.allowed_host:
                return None
            raise

    async def _nodes(self, names: set[str]) -> list[Node]:
        nodes = [await self._cluster.node(name) for name in sorted(names)]
        return [node for node in nodes if node is not None and node.host_nqn]

    async def unpublish(self, volume: VolumeId, node: NodeId | None) -> None:
        """Take a volume from a node, or from all.

        It needs nothing from the node; and from the device only where volumes may be fenced: the
        node must not be able to write any more when this has answered.
        """
        if self._fencing:
            held = await self._cluster.of_volume(volume)
            left = {c.node for c in held if c.attached and node and c.node != node.text}
            hosts = render_hosts(await self._nodes(left), self._two_hosts)
            await converge(self._device, partial(plan_revoke, volume, hosts, self._pool))
        await self._cluster.forget(volume, node)

    async def modify(self, wanted: Modification) -> None:
        """Change how a volume is reached; the reconnect options count at the next attachment.

        Raises:
            NotFound: there is no such volume.
        """
        volume, changes = wanted.volume, wanted.changes
        slot = managed(volume).slot
        found(volume, await self._device.read_slot(slot, self._pool))
        if changes.fenced is not None:
            await self._fence(volume, fenced=changes.fenced)
        if changes.authenticated is not None:
            await self._device.ensure_password(slot, self._pool, wanted.password)
        if changes.reconnect:
            await self._cluster.keep_parameters(volume, changes.reconnect)

    async def _fence(self, volume: VolumeId, *, fenced: bool) -> None:
        hosts = ""
        if fenced:
            held = await self._cluster.of_volume(volume)
            nodes = [await self._cluster.node(c.node) for c in held if c.attached]
            hosts = render_hosts([n for n in nodes if n is not None], self._two_hosts)
        await converge(self._device, partial(plan_fencing, volume, hosts, self._pool))
