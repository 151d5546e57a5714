import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.ids import MAX_NAME_BYTES, NodeId, Nqn, Slot, VolumeId, check_name
from libs.core.paths import DevicePath

PVC = "pvc-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

names = st.text(min_size=1, max_size=64).filter(
    lambda name: name.isprintable() and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
)


def test_a_name_made_by_the_provisioner_is_its_own_id() -> None:
    assert VolumeId.from_name(PVC).text == PVC


def test_a_simple_name_stays_readable() -> None:
    assert VolumeId.from_name("database-1").text == "vol-database-1"


@given(names, names)
def test_two_names_never_share_an_id(one: str, other: str) -> None:
    assume(one != other)

    assert VolumeId.from_name(one) != VolumeId.from_name(other)


@pytest.mark.parametrize("name", ["vol-a", "-a", "vol--a", PVC.upper(), "pvc-1", "a" * 49, "Ä"])
def test_names_that_resemble_ids_do_not_collide_with_the_simple_ones(name: str) -> None:
    simple = {VolumeId.from_name(other) for other in ("a", "b", "a" * 48, "pvc-2")}

    assert VolumeId.from_name(name) not in simple


@given(names)
def test_every_id_made_from_a_name_is_a_managed_id_that_parses(name: str) -> None:
    volume = VolumeId.from_name(name)

    assert volume.is_managed
    assert VolumeId.parse(volume.text) == volume
    assert Nqn.of_volume("nqn.2000-02.com.mikrotik", volume).text.endswith(volume.text)


def test_a_name_may_have_128_bytes_and_no_more() -> None:
    assert check_name("name", "n" * 128)
    assert check_name("name", "ü" * 64)
    for long in ("n" * 129, "ü" * 64 + "n"):
        with pytest.raises(InvalidRequest, match="name must be at most 128 bytes, not 129"):
            check_name("name", long)


@pytest.mark.parametrize("name", ["", "a\x1bb", "a\x00", "a\x7f", "\ud800"])
def test_a_name_has_no_control_characters(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^name must"):
        VolumeId.from_name(name)


@pytest.mark.parametrize(
    "text",
    ["", 'pvc-"', "pvc-;", "a b", "-a", ".a", "a/b", "..", "ä", "a" * 128, "a\n", "a$b", "[a]"],
)
def test_an_id_that_could_leave_its_token_is_refused_by_name_of_the_field(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^volume_id must"):
        VolumeId.parse(text)
    with pytest.raises(InvalidRequest, match=r"^slot must"):
        Slot.parse(text)


def test_somebody_elses_slot_is_an_id_but_not_a_managed_one() -> None:
    assert not VolumeId.parse("raid10").is_managed


@pytest.mark.parametrize("text", ["worker-1", "10.0.0.1", "a", "fe80::1", "node_1.example"])
def test_node_names_and_addresses_are_node_ids(text: str) -> None:
    assert NodeId.parse(text).text == text


@pytest.mark.parametrize("text", ["", "a" * 257, "a b", "-a", "a-", 'a"b', "a;b", "ä"])
def test_other_text_is_no_node_id(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^node_id must"):
        NodeId.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "nqn.2014-08.org.nvmexpress:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "nqn.2000-02.com.mikrotik:pvc-1",
        "nqn.2014-08.org.nvmexpress.discovery",
    ],
)
def test_real_nqns_are_nqns(text: str) -> None:
    assert Nqn.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "iqn.2000-02.com.mikrotik:a",
        "nqn.2000.com:a",
        'nqn.2000-02.com:a"',
        "nqn.2000-02.a:" + "b" * 223,
    ],
)
def test_other_text_is_no_nqn(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^nqn must"):
        Nqn.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "pool/volumes",
        "/pool/../etc",
        "/pool//volumes",
        "/pool/./volumes",
        "/pool/.hidden",
        "/pool/-rf",
        "/pool/a b",
        '/pool/"',
        "/pool/%2e%2e",
        "/pool/vol\u2024\u2024",
        "/pool/volumes//",
        "/pool\n/volumes",
        "/" + "a" * 255,
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^volumePath must"):
        DevicePath.parse(text)


def test_one_trailing_slash_is_forgiven() -> None:
    assert DevicePath.parse("/pool/volumes/") == DevicePath.parse("/pool/volumes")


def test_a_path_knows_its_pool_its_file_name_and_its_images() -> None:
    path = DevicePath.parse("/raid10/volumes")

    image = path.image_of(Slot.parse("pvc-1"))

    assert path.pool == "raid10"
    assert image.text == "/raid10/volumes/pvc-1.img"
    assert image.file_name == "raid10/volumes/pvc-1.img"
