"""Who may use a volume: publishing, taking back, and what the device is told of it."""

import time
from collections.abc import Iterable, Mapping
from functools import partial

from libs.core.errors import InUse, InvalidRequest, NotFound, RdsCsiError, Unsupported
from libs.core.ids import NodeId, VolumeId
from libs.csikit.capability import SHARED_READ_MODES
from libs.rdsclient.model import FileDisk, SlotState
from services.controller.happenings import Attached, Detached, NotAttached, NotDetached
from services.controller.plan.attach import (
    NOBODY,
    Fencing,
    fencing_result,
    hosts_leaving,
    is_fenced,
    plan_admit,
    plan_fencing,
    plan_publish,
    plan_revoke,
    plan_whole,
    render_hosts,
    render_instead,
)
from services.controller.plan.holders import (
    by_age,
    check_holders,
    holders_before,
    holders_beside,
)
from services.controller.plan.migration import (
    Held,
    MigrationTimedOut,
    migration_ended,
    source_of_migration,
)
from services.controller.plan.steps import AdmitHost, Step, found, managed
from services.controller.ports import Attachment, Cluster, Grant, Node, NoWitness, Witness
from services.controller.requests.volumes import Modification, Publication
from services.controller.sites import Site
from services.controller.workflow.converge import Desk
from services.controller.workflow.living import living


class Attacher:
    """Publishes volumes; one instance for one device."""

    def __init__(
        self, desk: Desk, cluster: Cluster, site: Site, witness: Witness | None = None
    ) -> None:
        self._desk = desk
        self._cluster = cluster
        self._witness = witness or NoWitness()
        self._fencing = site.settings.fencing
        self._two_hosts = site.settings.fencing_two_hosts

    async def publish(self, wanted: Publication) -> tuple[FileDisk, Mapping[str, str]]:
        """Let a node use a volume; return it and the parameters in force.

        One round trip, and one more where the device has to admit the node.

        Raises:
            NotFound: there is no such volume or node.
            InUse: another node holds it, or the device does not offer it.
        """
        started = time.monotonic()
        try:
            disk, source, steps = await self._publish(wanted)
        except RdsCsiError as error:
            self._witness.saw(
                NotAttached(
                    wanted.volume,
                    wanted.node,
                    time.monotonic() - started,
                    error,
                    is_conflict=isinstance(error, Held),
                    timed_out=isinstance(error, MigrationTimedOut),
                )
            )
            raise
        let_in = any(isinstance(step, AdmitHost) for step in steps)
        took = time.monotonic() - started
        self._witness.saw(Attached(wanted.volume, wanted.node, took, source, let_in))
        return disk, await self._cluster.parameters_of(wanted.volume)

    async def _publish(self, wanted: Publication) -> tuple[FileDisk, str, list[Step]]:
        """Publish; return the volume, the other end of a live migration, and what was done."""
        node = await self._cluster.node(wanted.node.text)
        if node is None:
            raise NotFound(f"node {wanted.node} does not exist")
        held = await self._holders(wanted)
        seen = await self._desk.read(managed(wanted.volume).slot)
        hosts, others = None, list[Node]()
        if self._fencing and is_fenced(seen):
            others = await self._nodes(sorted(holders_beside(wanted, held)))
            hosts = render_hosts([*others, node], self._two_hosts)
        plan = partial(plan_publish, wanted, hosts, beside=[other.host_nqn for other in others])
        steps: list[Step] = []
        disk = found(wanted.volume, await self._desk.converge(plan, seen, made=steps))
        await self._cluster.record(
            wanted.volume,
            wanted.node,
            Grant(
                use=str(wanted.capability),
                read_only=wanted.capability.mode in SHARED_READ_MODES,
                claims=tuple(c.id for c in held if c.node == wanted.node.text),
            ),
        )
        return disk, source_of_migration(wanted, held), steps

    async def _holders(self, wanted: Publication) -> tuple[Attachment, ...]:
        """Return the claims to the volume, once they leave room for this node.

        A refusal rests on what is true now, and on nodes that there are.
        """
        held = await self._cluster.of_volume(wanted.volume, wanted.node)
        try:
            check_holders(wanted, held, time.time())
        except InUse:
            held = await self._cluster.of_volume(wanted.volume)
            held = await living(self._cluster, wanted.volume, held)
            check_holders(wanted, held, time.time())
        return held

    async def _nodes(self, names: Iterable[str], *, fresh: bool = False) -> list[Node]:
        """Return the nodes of these names that there are."""
        nodes = [await self._cluster.node(name, fresh=fresh) for name in names]
        return [node for node in nodes if node is not None]

    async def unpublish(self, volume: VolumeId, node: NodeId | None) -> Fencing:
        """Take a volume from a node, or from all; return what the device had to be told.

        It needs nothing from the node; and from the device only where volumes may be fenced: the
        node must not be able to write any more when this has answered.
        """
        started = time.monotonic()
        ended = migration_ended(node, await self._known(volume), time.time())
        try:
            done, _ = await self.shut_out(volume, node)
            await self._cluster.forget(volume, node)
        except RdsCsiError as error:
            self._witness.saw(NotDetached(volume, node, time.monotonic() - started, error))
            raise
        took = time.monotonic() - started
        shut_out = done is Fencing.CHANGED
        self._witness.saw(Detached(volume, node, took, shut_out, *(ended or (None, "", 0.0))))
        return done

    async def _known(self, volume: VolumeId) -> tuple[Attachment, ...]:
        """Return who is known to have a volume, for what is told of it only."""
        try:
            return (await self._cluster.known_of([volume]))[volume]
        except RdsCsiError:
            return ()

    async def shut_out(
        self, volume: VolumeId, node: NodeId | None
    ) -> tuple[Fencing, FileDisk | None]:
        """Have the device let a node, or nobody, in to a fenced volume any more.

        Return also the volume, where the device was asked and has it.
        """
        if not self._fencing:
            return Fencing.OFF, None
        steps: list[Step] = []
        seen = await self._desk.converge(partial(plan_whole, volume), made=steps)
        # Only now, so that all who are on the list have their claims among these, and are known.
        held = await self._cluster.of_volume(volume)
        leaving = await self._leaving(node)
        names = {c.node for c in held if node and c.node != node.text}
        others = await self._nodes(names, fresh=is_fenced(seen))
        staying = [other.host_nqn for other in others if other.host_nqn]
        before = await self._nodes(holders_before(node, held))
        instead = render_instead(before, self._two_hosts)
        plan = partial(plan_revoke, volume, hosts_leaving(leaving, staying, seen), instead=instead)
        seen = await self._desk.converge(plan, seen, made=steps)
        return fencing_result(seen, steps), seen.disk if seen else None

    async def let_in(self, volume: VolumeId, node: NodeId) -> tuple[Fencing, FileDisk]:
        """Have the device let in a node that a fenced volume is attached to.

        Raises:
            NotFound: there is no such volume or node.
            InUse: the volume is not attached to the node, or the device cannot let it in.
            Unsupported: the controller runs without fencing.
        """
        if not self._fencing:
            raise Unsupported("the controller runs without --fencing")
        known = await self._cluster.node(node.text)
        if known is None:
            raise NotFound(f"node {node} does not exist")
        held = await self._cluster.of_volume(volume)
        if not any(claim.attached and claim.node == node.text for claim in held):
            raise InUse(
                f"volume {volume} is not attached to {node}; it is let in when it is published"
            )
        steps: list[Step] = []
        plan = partial(plan_admit, volume, known, self._two_hosts)
        seen = await self._desk.converge(plan, made=steps)
        return fencing_result(seen, steps), found(volume, seen)

    async def _leaving(self, node: NodeId | None) -> Node | None:
        if node is None:
            return None
        return await self._cluster.node(node.text) or Node(node.text)

    async def modify(self, wanted: Modification) -> None:
        """Change how a volume is reached; the reconnect options count at the next attachment.

        Raises:
            NotFound: there is no such volume.
            InvalidRequest: nodes would be asked to authenticate themselves, and not know it.
        """
        volume, changes = wanted.volume, wanted.changes
        slot = managed(volume).slot
        seen = await self._desk.read(slot)
        found(volume, seen)
        if changes.authenticated and not await self._cluster.authenticates(volume):
            # What nodes are told of it is in the volume context, which stays as it was made.
            raise InvalidRequest(
                f"mutable_parameters.auth cannot be dhchap for volume {volume}, which was made "
                "without: its PersistentVolume would not tell nodes, and none could connect; make "
                "a new volume with it"
            )
        if changes.fenced is not None:
            await self._fence(volume, seen, fenced=changes.fenced)
        if changes.authenticated is not None:
            await self._desk.device.ensure_password(slot, wanted.password)
        if changes.reconnect:
            await self._cluster.keep_parameters(volume, changes.reconnect)

    async def _fence(self, volume: VolumeId, seen: SlotState, *, fenced: bool) -> None:
        hosts = NOBODY if fenced else ""
        if fenced and not is_fenced(seen):
            held = await self._cluster.of_volume(volume)
            nodes = await self._nodes(by_age(c for c in held if c.attached))
            hosts = render_hosts(nodes, self._two_hosts)
        await self._desk.converge(partial(plan_fencing, volume, hosts), seen)
