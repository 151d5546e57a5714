"""What is on a device, item by item, out of one reading of all of it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.images import INNER_NAME, Image, Layout
from libs.core.paths import IMAGE_SUFFIX, DevicePath
from libs.rdsclient.model import BackingFile, FileDisk, Pool, SlotState, Storage, Subvolume
from services.controller.plan.attach import NOBODY
from services.controller.plan.copies import copies_in, place_of
from services.controller.plan.fingerprints import Kind, fingerprint


class Half(Enum):
    """What of a volume is missing."""

    WHOLE = "whole"
    NO_FILE = "no file"
    NOT_EXPORTED = "not exported"
    NO_DISK = "no disk"
    ELSEWHERE = "elsewhere"
    COPYING = "copying"


@dataclass(frozen=True, slots=True)
class Found:
    """A volume.

    Attributes:
        disk: its disk item.
        file: its backing file, if that is there.
        image: what the place of the file says; None for one that this driver would not choose.
        half: what is missing.
        copying_to: the names of volumes and snapshots that are made of it now.
        fingerprint: see `fingerprint`.
    """

    disk: FileDisk
    file: BackingFile | None
    image: Image | None
    half: Half
    copying_to: tuple[str, ...]
    fingerprint: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host NQNs that the device lets in."""
        return hosts_of(self.disk)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A snapshot; `path` is its file or subvolume, and `image` has an origin."""

    path: str
    image: Image
    ready: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or subvolume that no disk uses.

    Attributes:
        kind: which of the two.
        path: where it is.
        size: bytes; 0 where that is not known.
        image: what its place says; None for one that this driver would not choose.
        half: `NO_DISK`, or `COPYING`.
        fingerprint: empty where the item is not this driver's.
    """

    kind: Kind
    path: str
    size: int
    image: Image | None
    half: Half
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that is on a device, below the directories that the driver may use."""

    volumes: tuple[Found, ...]
    snapshots: tuple[Frozen, ...]
    leftovers: tuple[Leftover, ...]
    pools: tuple[Pool, ...]


def hosts_of(disk: FileDisk) -> tuple[str, ...]:
    """Return the host NQNs that the device lets in to a volume that is fenced; none for nobody."""
    admitted = disk.export.allowed_host if disk.export else ""
    return tuple(host for host in admitted.split(",") if host not in {"", NOBODY})


def take_inventory(storage: Storage, bases: tuple[DevicePath, ...]) -> Inventory:
    """Return what is there. Ten thousand items take a second or so."""
    return _Taking(storage, bases).all()


class _Taking:
    """One reading, by what its items are about."""

    def __init__(self, storage: Storage, bases: tuple[DevicePath, ...]) -> None:
        self._storage = storage
        self._bases = bases
        self._pools = SlotState(Slot("pools"), pools=storage.pools)
        self._sizes = {file.path: file for file in storage.files}
        self._states: defaultdict[str, _State] = defaultdict(_State)
        self._used = {disk.path for disk in storage.disks}
        self._places = [(sub, place_of(sub, self._pools, bases)) for sub in storage.subvolumes]
        self._sort()

    def _sort(self) -> None:
        for disk in self._storage.disks:
            self._states[disk.slot].disk = disk
            image = Image.parse(disk.path)
            if image and image.slot.text != disk.slot:
                self._states[image.slot.text].users.append(disk)
        for file in self._storage.files:
            image = Image.parse(file.path)
            if image and image.directory in self._bases:
                self._states[image.slot.text].files.append(file)
                if image.origin:
                    self._states[image.origin.source].copies.append(file)
        for sub, place in self._places:
            if place:
                self._states[place.slot.text].subvolumes.append(sub)
                if place.origin:
                    self._states[place.origin.source].branches.append(sub)

    def all(self) -> Inventory:
        volumes = [self._volume(d) for d in self._storage.disks if _is_volume(d.slot)]
        # Of several that claim one name the first counts, and the others are left over.
        snapshots = sorted(self._snapshots(), key=lambda one: one.path, reverse=True)
        frozen = {one.image.slot.text: one for one in snapshots}
        taken = {path for one in frozen.values() for path in (one.path, _file_of(one.image))}
        return Inventory(
            tuple(sorted(volumes, key=lambda found: found.disk.slot)),
            tuple(frozen[name] for name in sorted(frozen)),
            tuple(sorted(self._leftovers(taken), key=lambda leftover: leftover.path)),
            self._storage.pools,
        )

    def _volume(self, disk: FileDisk) -> Found:
        state = self._states[disk.slot].freeze(disk.slot)
        image = Image.parse(disk.path)
        file = self._sizes.get(disk.path)
        half = Half.WHOLE
        if image is None or image.slot.text != disk.slot or image.directory not in self._bases:
            half = Half.ELSEWHERE
        elif file is None:
            half = Half.NO_FILE
        elif disk.export is None:
            half = Half.NOT_EXPORTED
        copying = tuple(
            sorted(c.image.slot.text for c in copies_in(state.copies) if not c.is_complete)
        )
        print_ = fingerprint(Kind.VOLUME, disk.slot, state)
        return Found(disk, file, image, half, copying, print_)

    def _snapshots(self) -> Iterator[Frozen]:
        for file in self._storage.files:
            image = Image.parse(file.path)
            if image and image.layout is Layout.FILE and self._is_snapshot(image):
                (copy,) = copies_in((file,))
                yield self._frozen(file.path, image, ready=copy.is_complete)
        for _, place in self._places:
            if place and self._is_snapshot(place):
                yield self._frozen(_directory_of(place), place, ready=True)

    def _is_snapshot(self, image: Image) -> bool:
        ours = image.origin is not None and image.directory in self._bases
        return ours and SnapshotId(image.slot).is_managed

    def _frozen(self, path: str, image: Image, *, ready: bool) -> Frozen:
        name = image.slot.text
        print_ = fingerprint(Kind.SNAPSHOT, name, self._states[name].freeze(name))
        return Frozen(path, image, ready, print_)

    def _leftovers(self, taken: set[str]) -> Iterator[Leftover]:
        above = _directories_above(self._used)
        covered = set(taken)
        for sub, place in self._places:
            path = _directory_of(place) if place else self._path_of(sub)
            if path is None or path in taken or path in above:
                continue
            if place:
                covered.add(_file_of(place))
            file = self._sizes.get(_file_of(place)) if place else None
            yield self._leftover(Kind.SUBVOLUME, path, file, place)
        for file in self._storage.files:
            if file.path not in self._used and file.path not in covered:
                image = Image.parse(file.path)
                ours = image if image and image.directory in self._bases else None
                yield self._leftover(Kind.FILE, file.path, file, ours)

    def _path_of(self, sub: Subvolume) -> str | None:
        """Return the path of a subvolume below the directories, whatever its name is."""
        for base in self._bases:
            pool = self._pools.pool(base.pool)
            if pool is not None and pool.label == sub.label:
                path = f"/{base.pool}/{sub.name}"
                if path.startswith(f"{base}/"):
                    return path
        return None

    def _leftover(
        self, kind: Kind, path: str, file: BackingFile | None, image: Image | None
    ) -> Leftover:
        ours = image if image and _is_volume(image.slot.text) else None
        half, print_ = Half.NO_DISK, ""
        if ours is not None:
            state = self._states[ours.slot.text].freeze(ours.slot.text)
            print_ = fingerprint(kind, path, state)
            copies = copies_in((file,)) if file and kind is Kind.FILE else ()
            half = Half.COPYING if any(not c.is_complete for c in copies) else Half.NO_DISK
        return Leftover(kind, path, (file.size or 0) if file else 0, ours, half, print_)


class _State:
    """What is collected about one slot."""

    def __init__(self) -> None:
        self.disk: FileDisk | None = None
        self.files: list[BackingFile] = []
        self.copies: list[BackingFile] = []
        self.users: list[FileDisk] = []
        self.subvolumes: list[Subvolume] = []
        self.branches: list[Subvolume] = []

    def freeze(self, slot: str) -> SlotState:
        return SlotState(
            slot=Slot(slot),
            disk=self.disk,
            files=tuple(self.files),
            copies=tuple(self.copies),
            users=tuple(self.users),
            subvolumes=tuple(self.subvolumes),
            branches=tuple(self.branches),
        )


def _is_volume(slot: str) -> bool:
    return VolumeId(Slot(slot)).is_managed


def _directory_of(image: Image) -> str:
    # Not `image.path`, which is checked: a name too long for us is somebody else's, and no error.
    return f"{image.directory}/{image.stem}"


def _file_of(image: Image) -> str:
    if image.layout is Layout.SUBVOLUME:
        return f"{_directory_of(image)}/{INNER_NAME}"
    return f"{_directory_of(image)}{IMAGE_SUFFIX}"


def _directories_above(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found
