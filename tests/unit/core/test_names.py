"""Names of devices, drivers and places that are checked where they come in."""

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import VolumeId, parse_device_name, parse_driver_name
from libs.core.images import Image

SLOT = "pvc-00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize("device", ["", "-a", "A", "a b", "x" * 33])
def test_what_follows_the_at_sign_of_an_id_names_a_device(device: str) -> None:
    with pytest.raises(InvalidRequest, match="must name a device after '@'"):
        VolumeId.parse(f"{SLOT}@{device}")


def test_a_name_of_a_device_is_taken_as_it_is() -> None:
    assert parse_device_name("rack-2", "devices.name") == "rack-2"


@pytest.mark.parametrize("text", ["", "Rack", "-a", "a-", "x" * 33])
def test_what_is_no_name_of_a_device_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"devices\.name must be 1 to 32"):
        parse_device_name(text, "devices.name")


@pytest.mark.parametrize("text", ["r", "rds.csi.srvlab.io", "x" * 63])
def test_a_drivers_name_is_taken_as_it_is(text: str) -> None:
    assert parse_driver_name(text) == text


@pytest.mark.parametrize("text", ["", ".rds", "rds-", "a_b", "x" * 64])
def test_a_name_that_a_driver_may_not_answer_with_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="with a letter or digit at both ends"):
        parse_driver_name(text)


@pytest.mark.parametrize(
    ("path", "subvolume"),
    [
        (f"/raid10/volumes/{SLOT}.img", ""),
        (f"/raid10/volumes/{SLOT}/volume.img", f"volumes/{SLOT}"),
    ],
)
def test_only_what_lies_in_a_subvolume_has_its_name(path: str, subvolume: str) -> None:
    image = Image.parse(path)

    assert image is not None
    assert image.subvolume == subvolume
