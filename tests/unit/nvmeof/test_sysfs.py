"""What sysfs shows, read: every doubt is no device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.nvmeof.model import BlockDevice, LinkState
from libs.nvmeof.sysfs import (
    Controller,
    Files,
    Subsystem,
    is_controller,
    is_disk,
    parse_address,
    parse_controller,
    parse_nqn,
    parse_subsystem,
)

NQN = "nqn.2000-02.com.mikrotik:pvc-a"
ADDRESS = "traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.2\n"
LIVE = {"state": "live\n", "address": ADDRESS, "hostnqn": "nqn.host\n"}
DISK = {"dev": "259:3\n", "size": "2048\n", "nsid": "1\n", "hidden": "0\n"}
DEVICE = BlockDevice("/dev/nvme0n1", (259, 3), 1048576)


def parse(
    controllers: dict[str, Files] | None = None, disks: dict[str, Files] | None = None
) -> Subsystem:
    return parse_subsystem(
        NQN, {"nvme0": LIVE} if controllers is None else controllers, disks or {}
    )


def test_a_live_connection_is_read_whole() -> None:
    seen = parse(disks={"nvme0n1": DISK})

    connection = seen.connection()
    assert connection is not None
    assert (connection.nqn, connection.state) == (NQN, LinkState.LIVE)
    assert (connection.device, connection.controllers) == (DEVICE, ("nvme0",))
    controller = seen.controllers[0]
    assert (controller.address, controller.port, controller.host_nqn) == (
        "10.0.0.1",
        "4420",
        "nqn.host",
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("live", LinkState.LIVE),
        ("new", LinkState.CONNECTING),
        ("connecting", LinkState.CONNECTING),
        ("resetting", LinkState.CONNECTING),
        ("deleting", LinkState.DEAD),
        ("deleting (no IO)", LinkState.DEAD),
        ("dead", LinkState.DEAD),
        ("a word of a later kernel", LinkState.CONNECTING),
    ],
)
def test_each_word_for_a_state_has_its_meaning(word: str, state: LinkState) -> None:
    assert parse({"nvme0": {"state": f"{word}\n"}}).state is state


def test_of_several_controllers_the_best_counts() -> None:
    seen = parse(
        {"nvme0": {"state": "dead"}, "nvme1": {"state": "live"}, "nvme2": {"state": "new"}}
    )

    assert seen.state is LinkState.LIVE
    assert [controller.name for controller in seen.controllers] == ["nvme0", "nvme1", "nvme2"]


def test_of_a_controller_that_says_only_how_it_does_nothing_else_is_known() -> None:
    seen = parse({"nvme1": {"state": "live\n"}, "nvme0": {"state": "odd\n"}})

    assert parse_controller("nvme2", {}) == Controller("nvme2", LinkState.CONNECTING, "")
    assert seen.controllers == (
        Controller("nvme0", LinkState.CONNECTING, "odd", "", "", ""),
        Controller("nvme1", LinkState.LIVE, "live", "", "", ""),
    )


def test_a_connection_that_is_being_made_counts_before_one_that_is_dead() -> None:
    assert parse({"nvme0": {"state": "dead"}, "nvme1": {"state": "new"}}).state is (
        LinkState.CONNECTING
    )


@pytest.mark.parametrize(
    ("disks", "is_certain"),
    [({}, True), ({"nvme0n1": DISK}, True), ({"nvme0n1": DISK | {"nsid": ""}}, False)],
)
def test_whether_there_is_a_disk_is_certain_unless_one_makes_no_sense(
    disks: dict[str, Files],
    is_certain: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    connection = parse(disks=disks).connection()

    assert connection is not None
    assert connection.is_certain is is_certain


@pytest.mark.parametrize("name", ["nvme0", "nvme123456789"])
def test_what_is_called_as_a_controller_is_one(name: str) -> None:
    assert is_controller(name)
    assert parse({name: LIVE}).connection() is not None


@pytest.mark.parametrize("name", ["nvme", "nvme1234567890", "nvme0n1", "nvme0x", "ng0", "power"])
def test_what_is_called_otherwise_is_no_controller(name: str) -> None:
    assert not is_controller(name)
    assert parse({name: LIVE}).connection() is None


@pytest.mark.parametrize("name", ["nvme0n1", "nvme123456789n1234567890"])
def test_what_is_called_as_a_disk_is_one(name: str) -> None:
    assert is_disk(name)


@pytest.mark.parametrize(
    "name", ["nvme0", "nvme0n", "nvme0n1p1", "nvme0c0n1", "nvme1234567890n1", "nvme0n12345678901"]
)
def test_what_is_called_otherwise_is_no_disk(name: str) -> None:
    assert not is_disk(name)


def test_a_controller_whose_files_are_gone_is_gone() -> None:
    assert parse({"nvme0": {}}).connection() is None


def test_a_disk_without_a_controller_is_a_dead_connection() -> None:
    connection = parse({}, {"nvme0n1": DISK}).connection()

    assert connection is not None
    assert connection.state is LinkState.DEAD


def test_the_hidden_paths_of_a_disk_are_left_out() -> None:
    hidden = DISK | {"hidden": "1\n"}

    seen = parse(disks={"nvme0c0n1": DISK, "nvme0n1": DISK, "nvme0n2": hidden, "ng0n1": DISK})

    assert (seen.disks, seen.device) == (("nvme0n1",), DEVICE)


def test_a_kernel_that_hides_no_disks_says_nothing_of_it() -> None:
    plain = {name: text for name, text in DISK.items() if name != "hidden"}

    assert parse(disks={"nvme0n1": plain}).device == DEVICE


def test_of_two_disks_of_one_device_number_neither_is_taken_whatever_else_there_is() -> None:
    disks: dict[str, Files] = {
        "nvme0n1": DISK | {"dev": "259:9"},
        "nvme0n2": DISK | {"nsid": "2"},
        "nvme0n3": DISK | {"nsid": "3"},
    }

    assert parse(disks=disks).device is None


def test_a_device_is_where_device_nodes_are() -> None:
    seen = parse_subsystem(NQN, {"nvme0": LIVE}, {"nvme0n1": DISK}, "/host/dev")

    assert seen.device is not None
    assert seen.device.path == "/host/dev/nvme0n1"


@pytest.mark.parametrize("dev", ["4095:1048575", "0:0"])
def test_the_largest_and_the_smallest_device_number_are_read(dev: str) -> None:
    seen = parse(disks={"nvme0n1": DISK | {"dev": dev, "size": "1", "nsid": "4294967295"}})

    assert seen.device is not None
    assert ":".join(map(str, seen.device.number)) == dev
    assert seen.device.size == 512


def test_of_several_namespaces_the_first_counts_by_its_id_and_not_its_name() -> None:
    second = DISK | {"nsid": "2", "dev": "259:4"}

    seen = parse(disks={"nvme0n1": second, "nvme0n10": DISK})

    assert seen.device is not None
    assert seen.device.path == "/dev/nvme0n10"


@pytest.mark.parametrize(
    "odd",
    [
        {"dev": ""},
        {"dev": "259"},
        {"dev": "-1:3"},
        {"dev": "4096:3"},
        {"dev": "259:1048576"},
        {"dev": "²59:3"},
        {"size": "0"},
        {"size": "-1"},
        {"size": "many"},
        {"size": "1" * 20},
        {"size": "1k"},
        {"nsid": "0"},
        {"nsid": ""},
        {"nsid": "1" * 11},
        {"nsid": "1x"},
        {"dev": "259:3x"},
    ],
)
def test_a_disk_that_makes_no_sense_hides_the_others(odd: dict[str, str]) -> None:
    second = DISK | {"nsid": "2", "dev": "259:4"}

    seen = parse(disks={"nvme0n1": DISK | odd, "nvme0n2": second})

    assert seen.device is None
    assert not seen.is_gone


@pytest.mark.parametrize("twin", [{"nsid": "1", "dev": "259:4"}, {"nsid": "2", "dev": "259:3"}])
def test_of_two_disks_with_one_identity_neither_is_taken(twin: dict[str, str]) -> None:
    assert parse(disks={"nvme0n1": DISK, "nvme0n2": DISK | twin}).device is None


def test_an_address_of_ipv6_is_read() -> None:
    assert parse_address("traddr=fd00::1,trsvcid=4420\n") == {
        "traddr": "fd00::1",
        "trsvcid": "4420",
    }


def test_words_of_an_address_that_are_no_pairs_are_left_out() -> None:
    assert parse_address(" traddr = a=b ,alone\n") == {"traddr": "a=b"}


def test_a_name_is_read_without_the_end_of_its_line() -> None:
    assert parse_nqn(f"{NQN}\n") == NQN


@pytest.mark.parametrize("text", ["(efault)\n", "", "\n", "nqn", "x.nqn."])
def test_what_is_no_nqn_is_nobodys(text: str) -> None:
    assert parse_nqn(text) == ""


TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["live", "259:3", "1", "2048", "0", ADDRESS])
)
FILES = st.dictionaries(
    st.sampled_from(["state", "address", "hostnqn", "dev", "size", "nsid", "hidden"]),
    TEXTS,
)
NAMES = st.one_of(
    st.text(max_size=12), st.sampled_from(["nvme0", "nvme1", "nvme0n1", "nvme1n1", "nvme0c0n1"])
)
TREES = st.dictionaries(NAMES, FILES, max_size=4)


@given(TREES, TREES)
def test_any_text_is_read_and_a_device_is_always_one_that_was_shown(
    controllers: dict[str, Files], disks: dict[str, Files]
) -> None:
    seen = parse(controllers, disks)

    device = seen.device
    assert {controller.name for controller in seen.controllers} <= controllers.keys()
    if device is not None:
        files = disks[device.path.removeprefix("/dev/")]
        assert (
            files["dev"].strip() == f"{device.number[0]}:{device.number[1]}" or "0" in files["dev"]
        )
        assert int(files["size"]) * 512 == device.size > 0
        assert files.get("hidden", "0").strip() == "0"


@given(
    st.integers(0, 4095),
    st.integers(0, 2**20 - 1),
    st.integers(1, 2**50),
    st.integers(1, 2**32 - 1),
)
def test_what_the_kernel_shows_of_a_disk_comes_back(
    major: int, minor: int, sectors: int, nsid: int
) -> None:
    disk = {
        "dev": f"{major}:{minor}\n",
        "size": f"{sectors}\n",
        "nsid": f"{nsid}\n",
        "hidden": "0\n",
    }

    seen = parse(disks={"nvme7n3": disk})

    assert seen.device == BlockDevice("/dev/nvme7n3", (major, minor), sectors * 512)
