"""What a pass looks at, and what of it belongs together. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from libs.core.ids import SNAPSHOT_PREFIX
from libs.kube.attachments import slot_of
from services.reconciler.model import (
    AttachmentView,
    DeviceListing,
    Leftover,
    Listing,
    Node,
    PersistentVolume,
    SnapshotContent,
    Volume,
    VolumeAttachment,
)
from services.reconciler.rules import Rules

T = TypeVar("T")

PIECE = 200
"""Items between two points where the event loop can go on; a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a pass looks at.

    The devices are read before the rest: a PersistentVolume that was made before its volume was
    listed is then always seen (`plan.orphans` insists on it).

    Attributes:
        nodes: the Nodes.
        attachments: the VolumeAttachments.
        volumes: the PersistentVolumes, of all drivers.
        contents: the VolumeSnapshotContents, of all drivers; None where the API server says that
            it has no such resource. Where it could not be asked, that is a listing that is not
            complete.
        devices: a listing for each device, not complete where the controller could not be asked or
            may have left one out.
        views: the attachments that the controller knows.
    """

    nodes: Listing[Node]
    attachments: Listing[VolumeAttachment]
    volumes: Listing[PersistentVolume]
    contents: Listing[SnapshotContent] | None
    devices: Listing[DeviceListing]
    views: Listing[AttachmentView]


@dataclass(frozen=True, slots=True)
class Held:
    """A VolumeAttachment, with what it is about.

    Attributes:
        attachment: the object.
        volume_id: the volume; of one whose PersistentVolume is gone, what the controller says, or
            else what its name stands for.
        volume: its PersistentVolume, if there is one.
        view: what the controller knows of it; None where that is nothing, or contradicts this.
    """

    attachment: VolumeAttachment
    volume_id: str
    volume: PersistentVolume | None
    view: AttachmentView | None


class Index:
    """What belongs together; empty until `fill` has been exhausted."""

    def __init__(self, seen: Seen, rules: Rules, now: float) -> None:
        self.seen = seen
        self._driver = rules.driver
        age, device_age = rules.max_age, rules.max_device_age
        self.nodes_sound = seen.nodes.is_sound(now, age)
        self.attachments_sound = seen.attachments.is_sound(now, age)
        self.volumes_sound = seen.volumes.is_sound(now, age)
        self.contents_sound = seen.contents is None or seen.contents.is_sound(now, age)
        self.views_sound = seen.views.is_sound(now, device_age)
        self.devices_sound = seen.devices.is_sound(now, device_age)
        shared = Counter(device.suffix for device in seen.devices.items)
        self.devices = {
            device.suffix: device
            for device in sorted(seen.devices.items, key=lambda device: device.device)
            if device.is_sound(now, device_age) and shared[device.suffix] == 1
        }
        """Those that were listed whole, by the suffix of their IDs."""
        self.nodes: dict[str, Node] = {}
        self.held: list[Held] = []
        self.own_volumes: dict[str, PersistentVolume] = {}
        """PersistentVolumes of this driver, by their names."""
        self.own_contents: list[SnapshotContent] = []
        self.on_device: dict[str, dict[str, Volume]] = {}
        """Volumes, by the suffix of their device and their ID."""
        self.left: dict[str, dict[str, Leftover]] = {}
        """Leftovers that are this driver's, likewise, by the volume that they are named for."""
        self.snapshots: dict[str, set[str]] = {}
        self._referrers: dict[str, str] = {}
        self._foreign: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._guessed: dict[str, str] = {}
        self._hosts: dict[str, set[str]] = {}
        self._views: dict[str, AttachmentView | None] = {}

    def fill(self) -> Iterator[None]:
        """Join everything, a piece at a time."""
        seen = self.seen
        yield from in_pieces(seen.nodes.items, self._add_node)
        yield from in_pieces(seen.volumes.items, self._add_volume)
        yield from in_pieces(seen.contents.items if seen.contents else (), self._add_content)
        yield from in_pieces(seen.views.items, self._add_view)
        ordered = sorted(seen.attachments.items, key=lambda one: (one.name, one.uid))
        yield from in_pieces(ordered, self._add_attachment)
        for suffix, device in self.devices.items():
            there = self.on_device[suffix] = dict[str, Volume]()
            there.update((volume.volume_id, volume) for volume in device.volumes)
            left = self.left[suffix] = dict[str, Leftover]()
            for leftover in sorted(device.leftovers, key=lambda one: one.path, reverse=True):
                if leftover.managed:
                    left[leftover.volume_id] = leftover
            self.snapshots[suffix] = {snapshot.snapshot_id for snapshot in device.snapshots}
            yield

    def referrer(self, item_id: str, device: str) -> str:
        """Return what refers to a volume or snapshot, such as "PersistentVolume pvc-1"; or "".

        Of any driver: one that is taken over from another driver keeps its volumes, and their
        names. The name of the default device may be spelled out.
        """
        return _of(self._referrers, item_id, device) or self._foreign.get(_slot(item_id), "")

    def holder(self, volume_id: str, device: str) -> str:
        """Return what has, or is to have, a volume, in plain words; "" where nothing is known."""
        return _of(self._holders, volume_id, device) or self._guessed.get(_slot(volume_id), "")

    def nodes_of_host(self, nqn: str) -> tuple[str, ...]:
        """Return the names of the nodes that say they are a host; there should be one."""
        return tuple(sorted(self._hosts.get(nqn, ())))

    def _add_node(self, node: Node) -> None:
        self.nodes[node.name] = node
        if node.host_nqn:
            self._hosts.setdefault(node.host_nqn, set()).add(node.name)
        for handle in node.volumes_in_use:
            _note(self._holders, handle, f"node {node.name} reports it in use")

    def _add_volume(self, volume: PersistentVolume) -> None:
        words = f"PersistentVolume {volume.name}"
        if volume.handle:
            _note(self._referrers, volume.handle, words)
        if volume.driver == self._driver and volume.handle:
            self.own_volumes[volume.name] = volume
        else:
            self._foreign[volume.name] = words

    def _add_content(self, content: SnapshotContent) -> None:
        words = f"VolumeSnapshotContent {content.name}"
        # A snapshot that has been taken stands without its source.
        for handle in content.handles or (content.source,):
            _note(self._referrers, handle, words)
        if content.driver == self._driver:
            self.own_contents.append(content)
            # external-snapshotter names the content and the snapshot after the same UID, and notes
            # the handle only when the snapshot has been taken.
            uid = content.name.removeprefix("snapcontent-")
            self._foreign[f"{SNAPSHOT_PREFIX}{uid}"] = words

    def _add_view(self, view: AttachmentView) -> None:
        _note(self._holders, view.volume_id, f"it is attached to node {view.node}")
        if view.uid:
            known = self._views.setdefault(view.uid, view)
            self._views[view.uid] = view if known == view else None

    def _add_attachment(self, attachment: VolumeAttachment) -> None:
        if attachment.attacher != self._driver:
            return
        volume = self.own_volumes.get(attachment.volume)
        view = self._views.get(attachment.uid)
        known = volume.handle if volume else attachment.handle
        volume_id = known or (view.volume_id if view else slot_of(attachment.volume))
        if view and (view.node != attachment.node or view.volume_id != volume_id):
            view = None
        words = f"VolumeAttachment {attachment.name} is for it"
        _note(self._holders, volume_id, words)
        if not known:
            _note(self._guessed, slot_of(attachment.volume), words)
        self.held.append(Held(attachment, volume_id, volume, view))


def in_pieces(items: Iterable[T], work: Callable[[T], object]) -> Iterator[None]:
    """Do something with each item, and yield now and then."""
    for count, item in enumerate(items, 1):
        work(item)
        if not count % PIECE:
            yield


def _note(words: dict[str, str], key: str, said: str) -> None:
    # The greater of two, so that it does not matter which is read first.
    words[key] = max(words.get(key, ""), said)


def _slot(item_id: str) -> str:
    return item_id.partition("@")[0]


def _of(words: dict[str, str], item_id: str, device: str) -> str:
    return words.get(item_id) or words.get(f"{item_id}@{device}", "")
