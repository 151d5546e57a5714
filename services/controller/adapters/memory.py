"""The cluster, where there is none: for demos and tests."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence

from libs.core.errors import Conflict
from libs.core.ids import NodeId, SnapshotId, VolumeId
from services.controller.ports import Attachment, Grant, KnownClaim, Node


class MemoryCluster:
    """Attachments known only to this process.

    It forgets everything when it ends, so a restarted controller would attach a volume twice; the
    cluster's VolumeAttachments are the truth wherever there is a cluster.

    Args:
        nodes: the nodes there are, with their host NQNs; where there are none, any node exists.
    """

    def __init__(self, nodes: Mapping[str, str] | None = None) -> None:
        self._nodes = dict(nodes or {})
        self._held: dict[str, dict[str, Attachment]] = {}
        self._uses: dict[tuple[str, str], str] = {}
        self._parameters: dict[str, dict[str, str]] = {}
        self._count = itertools.count()

    async def of_volume(
        self,
        volume: VolumeId,
        asking: NodeId | None = None,  # noqa: ARG002 (nothing else is known)
    ) -> tuple[Attachment, ...]:
        """Return the claims to one volume."""
        return tuple(self._held.get(volume.text, {}).values())

    async def known_of(
        self, volumes: Sequence[VolumeId]
    ) -> Mapping[VolumeId, tuple[Attachment, ...]]:
        """Return the claims to several volumes."""
        return {volume: tuple(self._held.get(volume.text, {}).values()) for volume in volumes}

    async def record(self, volume: VolumeId, node: NodeId, grant: Grant) -> None:
        """Note that a volume was published to a node.

        Raises:
            Conflict: it was published there for another use.
        """
        order = (f"{next(self._count):012}", "")
        claim = Attachment(
            node.text,
            attached=True,
            order=order,
            since=time.time(),
            read_only=grant.read_only,
            id=order[0],
        )
        known = self._uses.get((volume.text, node.text))
        if known not in (None, grant.use):
            raise Conflict(f"volume {volume} is attached to {node} as {known}; detach it first")
        self._uses[volume.text, node.text] = grant.use
        self._held.setdefault(volume.text, {}).setdefault(node.text, claim)

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Note that a volume was taken from a node, or from all."""
        held = self._held.get(volume.text, {})
        for name in [node.text] if node else list(held):
            held.pop(name, None)
            self._uses.pop((volume.text, name), None)
        if not held:
            self._held.pop(volume.text, None)

    async def node(
        self,
        name: str,
        *,
        fresh: bool = False,  # noqa: ARG002 (nothing else is known)
    ) -> Node | None:
        """Return a node."""
        if self._nodes and name not in self._nodes:
            return None
        return Node(name, self._nodes.get(name, ""))

    async def parameters_of(self, volume: VolumeId) -> Mapping[str, str]:
        """Return the mutable parameters that were set."""
        return self._parameters.get(volume.text, {})

    async def keep_parameters(self, volume: VolumeId, parameters: Mapping[str, str]) -> None:
        """Note mutable parameters; none at all forgets those of a volume that is gone."""
        if parameters:
            self._parameters.setdefault(volume.text, {}).update(parameters)
        else:
            self._parameters.pop(volume.text, None)

    async def authenticates(self, volume: VolumeId) -> bool:  # noqa: ARG002 (as the port has it)
        """Say yes: who calls without a cluster has the volume context in hand."""
        return True

    async def machine_of(self, volume: VolumeId) -> str:  # noqa: ARG002 (there are none)
        """Return nothing: no machine is known."""
        return ""

    # What repair asks

    async def claims(self, volume: VolumeId | None = None) -> tuple[KnownClaim, ...]:
        """Return the claims to one volume or to all."""
        chosen = [volume.text] if volume else list(self._held)
        return tuple(
            KnownClaim(name, claim)
            for name in chosen
            for claim in self._held.get(name, {}).values()
        )

    async def referrers(self, item: VolumeId | SnapshotId) -> tuple[str, ...]:  # noqa: ARG002 (none)
        """Return nothing: where there is no cluster, nothing refers to anything."""
        return ()

    async def nodes_of_hosts(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the nodes that are one of these hosts."""
        wanted = set(hosts)
        return tuple(sorted(name for name, host in self._nodes.items() if host in wanted))
