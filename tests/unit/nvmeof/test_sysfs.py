"""What sysfs shows, read: every doubt is no device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.nvmeof.model import BlockDevice, LinkState
from libs.nvmeof.sysfs import Files, Subsystem, parse_address, parse_nqn, parse_subsystem

NQN = "nqn.2000-02.com.mikrotik:pvc-a"
ADDRESS = "traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.2\n"
LIVE = {"state": "live\n", "transport": "tcp\n", "address": ADDRESS, "hostnqn": "nqn.host\n"}
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
    assert (controller.transport, controller.address, controller.port, controller.host_nqn) == (
        "tcp",
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
        {"nsid": "0"},
        {"nsid": ""},
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


@pytest.mark.parametrize("text", ["(efault)\n", "", "\n", "nqn"])
def test_what_is_no_nqn_is_nobodys(text: str) -> None:
    assert parse_nqn(text) == ""


TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["live", "259:3", "1", "2048", "0", ADDRESS])
)
FILES = st.dictionaries(
    st.sampled_from(["state", "transport", "address", "hostnqn", "dev", "size", "nsid", "hidden"]),
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
