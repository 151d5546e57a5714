import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath

names = st.from_regex(r"(pvc|vol|snap)-[a-z0-9-]{1,40}", fullmatch=True)
origins = st.builds(Origin, made=st.integers(0, 2**35), size=st.integers(0, 2**60), source=names)
images = st.builds(
    Image,
    directory=st.sampled_from(["/raid10/volumes", "/btr", "/a/b/c"]).map(DevicePath.parse),
    slot=names.map(Slot),
    origin=st.none() | origins,
    layout=st.sampled_from(Layout),
)


@given(images)
def test_the_path_of_an_image_tells_all_about_it(image: Image) -> None:
    assert Image.parse(image.path.text) == image


numbers = st.text("0123456789abcdef", min_size=1, max_size=17)


@given(
    st.sampled_from(["/btr/volumes", "/a", "/a//b", "/a/../b", ""]),
    st.builds("{}.{}-{}.of.{}".format, names, numbers, numbers, names) | names,
    st.sampled_from([".img", "/volume.img"]),
)
def test_what_is_read_of_a_path_has_that_path_and_no_other(
    directory: str, stem: str, end: str
) -> None:
    path = f"{directory}/{stem}{end}"

    image = Image.parse(path)

    assert image is None or image.path.text == path


@pytest.mark.parametrize("numbers", ["01-64", "1-064", "00-64"])
def test_numbers_that_the_driver_does_not_write_tell_of_no_origin(numbers: str) -> None:
    image = Image.parse(f"/btr/volumes/pvc-a.{numbers}.of.snap-c/volume.img")

    assert image is not None
    assert image.origin is None
    assert image.slot.text == f"pvc-a.{numbers}.of.snap-c"


def test_a_subvolume_is_named_within_its_filesystem() -> None:
    image = Image(DevicePath("/btr/volumes/a"), Slot("pvc-1"), None, Layout.SUBVOLUME)

    assert image.subvolume == "volumes/a/pvc-1"
    assert image.path.text == "/btr/volumes/a/pvc-1/volume.img"


@pytest.mark.parametrize("path", ["", "/", "x.img", "/raid10/notes.txt", "/raid10/.img", "/a/b/"])
def test_other_files_are_no_images(path: str) -> None:
    assert Image.parse(path) is None


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_two_snapshot_names_never_share_an_id(first: str, second: str) -> None:
    if not (first.isprintable() and second.isprintable()):
        return
    if max(len(first.encode()), len(second.encode())) > 128:
        return

    same = SnapshotId.from_name(first) == SnapshotId.from_name(second)

    assert same == (first == second)


UUID = "0f9b6d3e-5f0e-4a53-9d5e-3c1f4a0c2b11"


@pytest.mark.parametrize(
    ("name", "expected"), [(f"snapshot-{UUID}", f"snap-{UUID}"), ("nightly", "snap-nightly")]
)
def test_snapshot_names_have_ids_that_people_recognise(name: str, expected: str) -> None:
    assert SnapshotId.from_name(name).text == expected


def test_a_bare_uuid_does_not_take_the_id_of_a_snapshot_that_is_named_after_it() -> None:
    assert SnapshotId.from_name(UUID).text.startswith("snap--")


def test_an_id_names_its_device_unless_it_is_the_default_one() -> None:
    volume = VolumeId.from_name("a", device="rack2")

    assert volume.text == "vol-a@rack2"
    assert VolumeId.parse(volume.text) == volume
    assert VolumeId.parse("vol-a").device == ""
