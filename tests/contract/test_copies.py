"""Copies, clones and snapshots, on a device in every form that it can take."""

from dataclasses import replace

import pytest

from libs.core.errors import Unsupported
from libs.core.ids import Nqn, Slot
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.rdsclient.model import Branch, DiskSpec
from tests.contract.under import SIZE, Under


async def test_files_are_listed_copied_where_that_can_be_and_removed(under: Under) -> None:
    spec, slot = under.spec("a"), under.slot("copy")
    origin = Origin(made=1, size=SIZE, source=spec.slot.text)
    copy = Image(under.base, slot, origin).path
    await under.rds.ensure_disk(spec)
    features = await under.rds.read_features()

    if not features.file_copy:
        with pytest.raises(Unsupported, match=r"7\.23"):
            await under.rds.ensure_copy(slot, spec.path, copy, SIZE)
        return
    made = await under.rds.ensure_copy(slot, spec.path, copy, SIZE)
    source = await under.rds.read_slot(spec.slot)
    again = await under.rds.ensure_copy(slot, spec.path, under.base.image_of(slot), SIZE)
    listed = await under.rds.list_files(under.base)
    kept = await under.rds.ensure_file_absent(spec.slot, spec.path)
    gone = await under.rds.ensure_file_absent(slot, copy)

    assert [file.path for file in made.files] == [copy.text]
    assert [file.path for file in source.copies] == [copy.text]
    assert again == made
    assert {spec.path.text, copy.text} <= {file.path for file in listed}
    assert [file.path for file in kept.files] == [spec.path.text]
    assert gone.files == ()


async def test_a_file_is_not_removed_when_it_has_more_copies_than_were_seen(under: Under) -> None:
    spec, first, second = under.spec("a"), under.slot("first"), under.slot("second")
    copy = Image(under.base, first, Origin(1, SIZE, spec.slot.text)).path
    other = Image(under.base, second, Origin(1, SIZE, first.text)).path
    await under.rds.ensure_disk(spec)
    if not (await under.rds.read_features()).file_copy:
        pytest.skip("the release has no copies")
    await under.rds.ensure_copy(first, spec.path, copy, SIZE)
    await under.rds.ensure_copy(second, copy, other, SIZE)

    kept = await under.rds.ensure_file_absent(first, copy, copies=0)
    gone = await under.rds.ensure_file_absent(first, copy, copies=kept.copied)

    assert [file.path for file in kept.files] == [copy.text]
    assert kept.copied == 1
    assert gone.files == ()
    assert [file.path for file in gone.copies] == [other.text]


async def test_a_disk_with_copies_is_removed_only_where_that_is_said(under: Under) -> None:
    spec, slot = under.spec("a"), under.slot("copy")
    copy = Image(under.base, slot, Origin(1, SIZE, spec.slot.text)).path
    await under.rds.ensure_disk(spec)
    if not (await under.rds.read_features()).file_copy:
        pytest.skip("the release has no copies")
    await under.rds.ensure_copy(slot, spec.path, copy, SIZE)

    kept = await under.rds.ensure_absent(spec.slot, spec.path)
    gone = await under.rds.ensure_absent(spec.slot, spec.path, copied=True)

    assert kept.disk is not None
    assert kept.disk.export is not None
    assert (gone.disk, gone.files) == (None, ())
    assert [file.path for file in gone.copies] == [copy.text]


async def test_volumes_in_subvolumes_are_made_frozen_cloned_and_removed(under: Under) -> None:
    if under.prefix != "pvc-t-":
        pytest.skip("on a real device this needs a Btrfs pool of its own")
    base = DevicePath.parse("/tank/volumes")
    volume = Image(base, under.slot("a"), layout=Layout.SUBVOLUME)
    origin = Origin(made=5, size=SIZE, source=volume.slot.text)
    frozen = Image(base, Slot.parse("snap-t-a"), origin, Layout.SUBVOLUME)
    clone = Image(
        base, under.slot("c"), Origin(made=6, size=SIZE, source="snap-t-a"), Layout.SUBVOLUME
    )
    branch = Branch("tank", volume.subvolume)
    freeze = Branch("tank", frozen.subvolume, volume.subvolume)
    nqn = Nqn.parse("nqn.2000-02.com.mikrotik:a")
    spec = DiskSpec(volume.slot, volume.path, SIZE, nqn, 4420, branch=branch)
    if not (await under.rds.read_features()).subvolumes:
        with pytest.raises(Unsupported, match=r"7\.18"):
            await under.rds.ensure_frozen(frozen.slot, freeze)
        return

    made = await under.rds.ensure_disk(spec)
    snapshot = await under.rds.ensure_frozen(frozen.slot, freeze)
    again = await under.rds.ensure_frozen(
        frozen.slot, replace(freeze, name="volumes/snap-t-a.7-1.of.x")
    )
    cloned = await under.rds.ensure_disk(
        DiskSpec(
            clone.slot,
            clone.path,
            SIZE,
            Nqn.parse("nqn.2000-02.com.mikrotik:c"),
            4420,
            room=0,
            adopts=True,
            branch=Branch("tank", clone.subvolume, frozen.subvolume),
        )
    )
    listed = (await under.rds.list_snapshots()).subvolumes
    unfrozen = await under.rds.ensure_branch_absent(frozen.slot, frozen.path, freeze)
    gone = await under.rds.ensure_absent(spec.slot, spec.path, branch, copied=True)

    assert [sub.name for sub in made.subvolumes] == [volume.subvolume]
    assert [file.path for file in made.files] == [volume.path.text]
    assert snapshot == again
    (sub,) = snapshot.subvolumes
    assert (sub.name, sub.parent, sub.frozen) == (frozen.subvolume, volume.subvolume, True)
    assert [sub.name for sub in listed] == [frozen.subvolume]
    assert cloned.disk is not None
    assert (cloned.disk.path, cloned.disk.size) == (clone.path.text, SIZE)
    assert unfrozen.subvolumes == ()
    assert [sub.name for sub in unfrozen.branches] == [clone.subvolume]
    assert (gone.disk, gone.files, gone.subvolumes) == (None, (), ())
