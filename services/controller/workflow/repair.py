"""What the admin API changes: detaching, fencing, and removing orphans."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from libs.core.errors import InUse, NotFound, Unsupported
from libs.core.ids import NodeId, VolumeId
from libs.rdsclient.model import FileDisk
from services.controller.plan.attach import Fencing
from services.controller.plan.inventory import hosts_of
from services.controller.plan.orphans import (
    Orphan,
    check_unchanged,
    check_unneeded,
    plan_remove,
    size_of,
)
from services.controller.ports import Cluster, KnownClaim, Registry
from services.controller.workflow.attach import Attacher
from services.controller.workflow.converge import Desk


@dataclass(frozen=True, slots=True)
class Detached:
    """What came of a detach.

    Attributes:
        claims: the node's own, which do not count any more.
        fencing: what the device had to be told.
        remaining: the nodes that the volume is still attached to.
    """

    claims: tuple[KnownClaim, ...]
    fencing: Fencing
    remaining: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of fencing: what the device had to be told, and whom it lets in now."""

    fencing: Fencing
    hosts: tuple[str, ...]


class Repairer:
    """Repairs what is on one device; one instance for each. Calls come one at a time per volume."""

    def __init__(
        self, desk: Desk, attacher: Attacher, cluster: Cluster, registry: Registry
    ) -> None:
        self._desk = desk
        self._attacher = attacher
        self._cluster = cluster
        self._registry = registry

    async def detach(self, volume: VolumeId, node: NodeId, expected: str) -> Detached:
        """Take a volume from a node; the device shuts the node out first, where it can.

        Args:
            volume: the volume.
            node: the node.
            expected: the ID of the claim that is meant; empty for whichever there is.

        Raises:
            InUse: the node has another claim to the volume by now.
        """
        own = await self._check_claim(volume, node, expected)
        fencing = await self._attacher.unpublish(volume, node)
        held = await self._cluster.of_volume(volume)
        left = {claim.node for claim in held if claim.attached and claim.node != node.text}
        return Detached(own, fencing, tuple(sorted(left)))

    async def _check_claim(
        self, volume: VolumeId, node: NodeId, expected: str
    ) -> tuple[KnownClaim, ...]:
        known = await self._registry.claims(volume)
        own = tuple(k for k in known if k.claim.node == node.text)
        if expected and any(k.claim.id != expected for k in own):
            raise InUse(
                f"node {node} has come back for volume {volume}: its attachment is not any more "
                "the one that was seen; nothing was done"
            )
        return own

    async def fence(self, volume: VolumeId, node: NodeId, expected: str) -> Admitted:
        """Have the device shut a node out of a fenced volume.

        Raises:
            NotFound: there is no such volume.
            Unsupported: the volume is not fenced, or the controller runs without fencing.
            InUse: the node has another claim to the volume by now.
        """
        await self._check_claim(volume, node, expected)
        fencing, disk = await self._attacher.shut_out(volume, node)
        if fencing is Fencing.OFF:
            raise Unsupported("the controller runs without --fencing")
        if fencing is Fencing.NOT_FENCED:
            raise Unsupported(
                f"volume {volume} is not fenced: the device lets in everybody, and its class has "
                "to say fencing=host for that to change"
            )
        if disk is None:
            raise NotFound(f"volume {volume} does not exist")
        return Admitted(fencing, hosts_of(disk))

    async def unfence(self, volume: VolumeId, node: NodeId) -> Admitted:
        """Have the device let in a node that a fenced volume is attached to.

        Raises:
            NotFound: there is no such volume or node.
            InUse: the volume is not attached to the node, or the device cannot let it in.
            Unsupported: the controller runs without fencing.
        """
        fencing, disk = await self._attacher.let_in(volume, node)
        return Admitted(fencing, hosts_of(disk))

    async def delete_orphan(self, orphan: Orphan) -> int | None:
        """Remove something that nothing needs; return its bytes, None where it was gone already.

        The cluster is asked first, and then the device once more: what is removed is what was
        listed, and nobody has come for it.

        Raises:
            InUse: it is not any more what was listed, or something needs it.
        """
        seen = await self._desk.read(orphan.slot)
        if size_of(orphan, self._desk.terms(), seen) is None:
            return None
        referrers = await self._registry.referrers(orphan.subject)
        holders: list[str] = []
        if isinstance(orphan.subject, VolumeId):
            claims = await self._registry.claims(orphan.subject)
            holders = sorted({known.claim.node for known in claims})
        seen = await self._desk.read(orphan.slot)
        holders += await self._let_in(seen.disk)
        check_unneeded(orphan, holders, referrers)
        check_unchanged(orphan, seen)
        size = size_of(orphan, self._desk.terms(), seen)
        await self._desk.converge(partial(plan_remove, orphan), seen)
        return size

    async def _let_in(self, disk: FileDisk | None) -> Sequence[str]:
        hosts = hosts_of(disk) if disk else ()
        return await self._registry.nodes_of_hosts(hosts) if hosts else ()
