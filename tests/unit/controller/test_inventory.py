"""What is on a device, out of one reading: rules that hold for every device there could be."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from libs.core.ids import Slot, VolumeId
from libs.core.images import Image
from libs.core.paths import DevicePath
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, SlotState, Storage, Subvolume
from services.controller.plan.fingerprints import Kind, fingerprint
from services.controller.plan.inventory import take_inventory

BASES = (DevicePath("/p/v"), DevicePath("/b/v"))
POOLS = (Pool("p", 100, 50), Pool("b", 100, 50, "btrfs", label="tank"))
STEMS = (
    "pvc-a",
    "vol-b",
    "snap-c",
    "theirs",
    "pvc-a.1-64.of.vol-b",
    "snap-c.1-64.of.pvc-a",
    "vol-b.1-64.of.snap-c",
    "x.of.pvc-a",
)
FOLDERS = ("p/v", "b/v", "p/v/deeper", "p/elsewhere")
PATHS = [
    path
    for folder in FOLDERS
    for stem in STEMS
    for path in (f"/{folder}/{stem}.img", f"/{folder}/{stem}/volume.img", f"/{folder}/{stem}.tar")
]
exports = st.none() | st.builds(Export, st.just("nqn"), st.just(4420), st.sampled_from(["", "h"]))
disks = st.lists(
    st.builds(
        FileDisk,
        st.sampled_from(["pvc-a", "vol-b", "snap-c", "theirs", "pvc-d"]),
        st.sampled_from(PATHS),
        st.integers(1, 200),
        exports,
        st.booleans(),
    ),
    unique_by=lambda disk: disk.slot,
)
files = st.lists(
    st.builds(BackingFile, st.sampled_from(PATHS), st.none() | st.integers(0, 200)),
    unique_by=lambda file: file.path,
)
subvolumes = st.lists(
    st.builds(
        Subvolume,
        st.sampled_from(["tank", "other"]),
        st.sampled_from([f"v/{stem}" for stem in STEMS] + [f"private/{stem}" for stem in STEMS]),
    ),
    unique_by=lambda sub: (sub.label, sub.name),
)
storages = st.builds(
    lambda d, f, s: Storage(tuple(d), tuple(f), POOLS, tuple(s)), disks, files, subvolumes
)


def inside(path: str) -> bool:
    return path.startswith(tuple(f"{base}/" for base in BASES))


@given(storages)
def test_what_a_disk_uses_is_never_left_over(storage: Storage) -> None:
    found = take_inventory(storage, BASES)

    used = {disk.path for disk in storage.disks}
    left = {leftover.path for leftover in found.leftovers}
    assert not used & left
    assert not any(path.startswith(f"{one}/") for one in left for path in used)


@given(storages)
def test_only_what_the_driver_could_have_made_in_its_directories_can_be_removed(
    storage: Storage,
) -> None:
    found = take_inventory(storage, BASES)

    for leftover in found.leftovers:
        assert bool(leftover.fingerprint) == (leftover.image is not None)
        if leftover.image is not None:
            assert inside(leftover.path)
            assert leftover.image.directory in BASES
            assert VolumeId(leftover.image.slot).is_managed
    for volume in found.volumes:
        assert VolumeId(Slot(volume.disk.slot)).is_managed


@given(storages)
def test_every_file_below_the_directories_is_accounted_for_once(storage: Storage) -> None:
    inner = tuple(file for file in storage.files if inside(file.path))
    storage = replace(storage, files=inner)

    found = take_inventory(storage, BASES)

    left = [leftover.path for leftover in found.leftovers]
    snapshots = [frozen.path for frozen in found.snapshots]
    used = {disk.path for disk in storage.disks}
    assert len(left) == len(set(left))
    for file in storage.files:
        above = file.path.rpartition("/")[0]
        ways = [file.path in left, file.path in used]
        ways.append(file.path in snapshots or above in snapshots)
        assert any(ways) or above in left


@given(storages)
def test_the_order_of_a_listing_does_not_matter(storage: Storage) -> None:
    turned = Storage(
        storage.disks[::-1], storage.files[::-1], storage.pools, storage.subvolumes[::-1]
    )

    one, other = take_inventory(storage, BASES), take_inventory(turned, BASES)

    assert one.leftovers == other.leftovers
    assert one.volumes == other.volumes


@given(storages, st.sampled_from(["pvc-a", "vol-b"]))
def test_a_fingerprint_is_that_of_the_slot_alone(storage: Storage, name: str) -> None:
    found = take_inventory(storage, BASES)

    state = state_of(storage, name)
    for volume in found.volumes:
        if volume.disk.slot == name:
            assert volume.fingerprint == fingerprint(Kind.VOLUME, name, state)
    for leftover in found.leftovers:
        if leftover.image and leftover.image.slot.text == name:
            assert leftover.fingerprint == fingerprint(leftover.kind, leftover.path, state)


def state_of(storage: Storage, name: str) -> SlotState:
    """Return what a reading of one slot says, within the directories."""

    def belongs(path: str) -> bool:
        image = Image.parse(path)
        return image is not None and image.slot.text == name

    def about(path: str) -> bool:
        return (
            belongs(path)
            or path.rpartition("/volume")[0].endswith(f".of.{name}")
            or (path.endswith(f".of.{name}.img"))
        )

    near = [f for f in storage.files if about(f.path) and is_in_base(f.path)]
    subs = [
        (sub, f"/b/{sub.name}/volume.img")
        for sub in storage.subvolumes
        if sub.label == "tank" and sub.name.startswith("v/")
    ]
    return SlotState(
        Slot(name),
        disk=next((disk for disk in storage.disks if disk.slot == name), None),
        files=tuple(file for file in near if belongs(file.path)),
        copies=tuple(file for file in near if not belongs(file.path)),
        users=tuple(d for d in storage.disks if d.slot != name and belongs(d.path)),
        subvolumes=tuple(sub for sub, path in subs if belongs(path)),
        branches=tuple(sub for sub, path in subs if about(path) and not belongs(path)),
        pools=POOLS,
    )


def is_in_base(path: str) -> bool:
    image = Image.parse(path)
    return image is not None and image.directory in BASES


def test_a_fingerprint_tells_any_two_states_apart() -> None:
    disk = FileDisk("pvc-a", "/p/v/pvc-a.img", 100, Export("nqn", 4420))
    file = BackingFile("/p/v/pvc-a.img", 100)
    base = SlotState(Slot("pvc-a"), disk, (file,))
    copy = BackingFile("/p/v/snap-c.1-64.of.pvc-a.img", 100)
    states = [
        base,
        replace(base, disk=None),
        replace(base, disk=replace(disk, size=200)),
        replace(base, disk=replace(disk, export=None)),
        replace(base, disk=replace(disk, export=Export("nqn", 4420, "h"), is_restricted=True)),
        replace(base, files=()),
        replace(base, files=(replace(file, size=200),)),
        replace(base, copies=(copy,)),
        replace(base, users=(replace(disk, slot="theirs"),)),
        replace(base, subvolumes=(Subvolume("tank", "v/pvc-a"),)),
        replace(base, branches=(Subvolume("tank", "v/snap-c.1-64.of.pvc-a"),)),
    ]

    prints = {fingerprint(Kind.VOLUME, "pvc-a", state) for state in states}
    prints |= {fingerprint(Kind.FILE, "pvc-a", base), fingerprint(Kind.VOLUME, "pvc-b", base)}

    assert len(prints) == len(states) + 2
