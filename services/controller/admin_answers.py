"""From values to the admin API's answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from libs.core.ids import MANAGED_PREFIXES, SNAPSHOT_PREFIX, NodeId, VolumeId
from libs.core.images import Image, Layout
from libs.rdsclient.state import LinkState
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.plan.attach import Fencing
from services.controller.plan.fingerprints import Kind
from services.controller.plan.inventory import Found, Frozen, Half, Inventory, Leftover, hosts_of
from services.controller.plan.orphans import Orphan
from services.controller.sites import Site
from services.controller.workflow.links import Link
from services.controller.workflow.repair import Admitted, Detached
from services.controller.workflow.stock import Held, Holdings, Stock

T = TypeVar("T")

PART = 200
"""Items in one message: what takes about ten milliseconds to encode, and as long to read."""

_LAYOUTS = {Layout.FILE: admin.Layout.FILE, Layout.SUBVOLUME: admin.Layout.SUBVOLUME}
_HALVES = {
    Half.WHOLE: admin.HalfState.WHOLE,
    Half.NO_FILE: admin.HalfState.NO_FILE,
    Half.NOT_EXPORTED: admin.HalfState.NOT_EXPORTED,
    Half.NO_DISK: admin.HalfState.NO_DISK,
    Half.ELSEWHERE: admin.HalfState.ELSEWHERE,
    Half.COPYING: admin.HalfState.COPYING,
}
_KINDS = {Kind.FILE: admin.ItemKind.FILE, Kind.SUBVOLUME: admin.ItemKind.SUBVOLUME}
_FENCING = {
    Fencing.OFF: admin.FencingResult.OFF,
    Fencing.NOT_FENCED: admin.FencingResult.NOT_FENCED,
    Fencing.ALREADY: admin.FencingResult.ALREADY,
    Fencing.CHANGED: admin.FencingResult.CHANGED,
    Fencing.NO_VOLUME: admin.FencingResult.NO_VOLUME,
}
_LINKS = {
    LinkState.UP: admin.ConnectionState.UP,
    LinkState.CONNECTING: admin.ConnectionState.CONNECTING,
    LinkState.AWAY: admin.ConnectionState.AWAY,
}
_DONE = {
    Fencing.OFF: "the controller runs without fencing, and the device was not asked",
    Fencing.NOT_FENCED: "the volume is not fenced: the device lets in everybody",
    Fencing.ALREADY: "the device had been told already",
    Fencing.CHANGED: "the device was told, and confirmed it",
    Fencing.NO_VOLUME: "the device has no such volume",
}


def moment(seconds: float) -> datetime:
    """Return a moment as messages have it."""
    return datetime.fromtimestamp(seconds, UTC)


# Inventory


def render_stock(stock: Stock) -> Iterator[admin.GetInventoryResponse]:
    """Yield one device's inventory, a part at a time."""
    name = stock.site.name
    yield admin.GetInventoryResponse(device=name, begin=_begin(stock.site))
    inventory = stock.inventory
    if inventory is not None:
        for items in _items(inventory, stock.site):
            yield admin.GetInventoryResponse(device=name, items=items)
    yield admin.GetInventoryResponse(device=name, end=_end(stock, inventory))


def _begin(site: Site) -> admin.DeviceBegin:
    return admin.DeviceBegin(
        is_default=not site.suffix,
        base_paths=[path.text for path in site.settings.volume_base_paths],
        managed_prefixes=[*MANAGED_PREFIXES, SNAPSHOT_PREFIX],
    )


def _end(stock: Stock, inventory: Inventory | None) -> admin.DeviceEnd:
    end = admin.DeviceEnd(
        reachable=stock.reachable, error=stock.error, taken_at=moment(stock.began)
    )
    if inventory is not None:
        end.volumes = len(inventory.volumes)
        end.snapshots = len(inventory.snapshots)
        end.leftovers = len(inventory.leftovers)
        end.pools = [
            admin.Pool(
                mount_point=pool.mount_point,
                size_bytes=pool.size,
                free_bytes=pool.free,
                filesystem=pool.filesystem,
                state=pool.state,
            )
            for pool in inventory.pools
        ]
    return end


def _items(inventory: Inventory, site: Site) -> Iterator[admin.DeviceItems]:
    for volumes in _parts(inventory.volumes):
        yield admin.DeviceItems(volumes=[render_volume(found, site) for found in volumes])
    for snapshots in _parts(inventory.snapshots):
        yield admin.DeviceItems(snapshots=[_snapshot(frozen, site) for frozen in snapshots])
    for leftovers in _parts(inventory.leftovers):
        yield admin.DeviceItems(leftovers=[_leftover(one, site) for one in leftovers])


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), PART):
        yield items[start : start + PART]


def render_volume(found: Found, site: Site) -> admin.Volume:
    """Return a volume."""
    disk, export = found.disk, found.disk.export
    return admin.Volume(
        volume_id=_id(disk.slot, site),
        slot=disk.slot,
        size_bytes=disk.size,
        path=disk.path,
        file_present=found.file is not None,
        file_size_bytes=(found.file.size or 0) if found.file else 0,
        layout=_LAYOUTS[found.image.layout] if found.image else admin.Layout.UNSPECIFIED,
        exported=export is not None,
        nqn=export.nqn if export else "",
        port=export.port if export else 0,
        fenced=disk.is_restricted,
        allowed_hosts=list(found.hosts),
        created_from=_origin(found.image, site),
        half_state=_HALVES[found.half],
        copying_to=[_id(name, site) for name in found.copying_to],
        fingerprint=found.fingerprint,
    )


def _id(name: str, site: Site) -> str:
    return f"{name}@{site.suffix}" if site.suffix else name


def _origin(image: Image | None, site: Site) -> str:
    return _id(image.origin.source, site) if image and image.origin else ""


def _snapshot(frozen: Frozen, site: Site) -> admin.Snapshot:
    image = frozen.image
    return admin.Snapshot(
        snapshot_id=_id(image.slot.text, site),
        source_volume_id=_origin(image, site),
        size_bytes=image.origin.size if image.origin else 0,
        created_at=moment(image.origin.made) if image.origin else None,
        ready=frozen.ready,
        layout=_LAYOUTS[image.layout],
        path=frozen.path,
        fingerprint=frozen.fingerprint,
    )


def _leftover(leftover: Leftover, site: Site) -> admin.Leftover:
    image = leftover.image
    return admin.Leftover(
        kind=_KINDS[leftover.kind],
        path=leftover.path,
        size_bytes=leftover.size,
        managed=image is not None,
        volume_id=_id(image.slot.text, site) if image else "",
        created_from=_origin(image, site),
        half_state=_HALVES[leftover.half],
        fingerprint=leftover.fingerprint,
    )


# Attachments


def render_holdings(holdings: Holdings) -> Iterator[admin.ListAttachmentsResponse]:
    """Yield attachments, a part at a time."""
    yield admin.ListAttachmentsResponse(
        unknown=[admin.DeviceError(device=name, error=error) for name, error in holdings.unknown],
        taken_at=moment(holdings.began),
    )
    for part in _parts(holdings.held):
        yield admin.ListAttachmentsResponse(attachments=[_attachment(held) for held in part])
    yield admin.ListAttachmentsResponse(last=True)


def _attachment(held: Held) -> admin.Attachment:
    known, claim, node = held.known, held.known.claim, held.node
    state = admin.AttachmentState.ATTACHED if claim.attached else admin.AttachmentState.PENDING
    return admin.Attachment(
        volume_id=known.volume,
        node_id=claim.node,
        state=admin.AttachmentState.DETACHED if known.released else state,
        attachment_uid=claim.id,
        attachment_name=known.name,
        since=moment(claim.since) if claim.since else None,
        read_only=claim.read_only,
        node_exists=node is not None,
        node_host_nqn=node.host_nqn if node else "",
        admission=admission(held),
        volume_known=known.volume_known,
    )


def admission(held: Held) -> admin.Admission:
    """Return what the device does when the node connects."""
    disk, node = held.disk, held.node
    if not held.asked:
        return admin.Admission.UNKNOWN
    if disk is None:
        return admin.Admission.NO_VOLUME
    if disk.export is None:
        return admin.Admission.NOT_EXPORTED
    if not disk.is_restricted:
        return admin.Admission.EVERYBODY
    if node is None or not node.host_nqn:
        # Nobody is let in, or it cannot be told whether this one is.
        return admin.Admission.UNKNOWN if hosts_of(disk) else admin.Admission.SHUT_OUT
    let_in = node.host_nqn in hosts_of(disk)
    return admin.Admission.ADMITTED if let_in else admin.Admission.SHUT_OUT


# What was done


def render_detached(volume: VolumeId, node: NodeId, done: Detached) -> admin.DetachResponse:
    """Return what came of a detach."""
    counted = [known for known in done.claims if not known.released]
    begin = "was detached from" if counted else "was not attached to"
    return admin.DetachResponse(
        was_attached=bool(counted),
        attachment_uids=[known.claim.id for known in done.claims],
        fencing=_FENCING[done.fencing],
        remaining_nodes=list(done.remaining),
        summary=f"volume {volume} {begin} {node}; {_DONE[done.fencing]}",
    )


def render_fenced(volume: VolumeId, node: NodeId, done: Admitted) -> admin.FenceResponse:
    """Return what came of a fence."""
    return admin.FenceResponse(
        fencing=_FENCING[done.fencing],
        allowed_hosts=list(done.hosts),
        summary=f"node {node} is shut out of volume {volume}; {_DONE[done.fencing]}",
    )


def render_unfenced(volume: VolumeId, node: NodeId, done: Admitted) -> admin.UnfenceResponse:
    """Return what came of an unfence."""
    return admin.UnfenceResponse(
        fencing=_FENCING[done.fencing],
        allowed_hosts=list(done.hosts),
        summary=f"node {node} is let in to volume {volume}; {_DONE[done.fencing]}",
    )


def render_removed(orphan: Orphan, size: int | None) -> admin.DeleteOrphanResponse:
    """Return what came of a removal; `size` is None where it was gone already."""
    return admin.DeleteOrphanResponse(
        removed=size is not None,
        freed_bytes=size or 0,
        summary=f"{orphan} " + ("was gone already" if size is None else "was removed"),
    )


# Connections and counters


def render_links(links: Iterable[Link]) -> admin.WatchConnectionsResponse:
    """Return the connections."""
    return admin.WatchConnectionsResponse(
        connections=[
            admin.Connection(
                device=link.device,
                state=_LINKS[link.state],
                reason=link.reason,
                reconnects=link.reconnects,
                changed_at=moment(link.changed),
            )
            for link in links
        ]
    )


def render_counter(name: str, labels: Mapping[str, str], value: int) -> admin.Counter:
    """Return a counter."""
    return admin.Counter(name=name, labels=dict(labels), value=value)
