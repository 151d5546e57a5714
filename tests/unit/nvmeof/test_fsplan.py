from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.core.errors import OutOfRange
from libs.nvmeof.errors import NotCertainlyEmpty
from libs.nvmeof.fsplan import Action, Probe, Wanted, decide, parse_blkid
from libs.nvmeof.superblock import Superblock

NQN = "nqn.2000-02.com.mikrotik:pvc-1"
WANTED = Wanted(NQN, 2**30, "ext4")
EMPTY = Probe(NQN, 2**30, readable=True, blkid=2)
FULL = replace(EMPTY, blkid=0, fs_type="ext4")

OURS, OTHERS = UUID(int=1), UUID(int=2)
UNFINISHED = Superblock("xfs", OURS, 2**30, unfinished=True)
BEGUN = Wanted(NQN, 2**30, "xfs", OURS)
CUT_OFF = replace(FULL, fs_type="xfs", superblock=UNFINISHED)

filesystems = st.sampled_from(["", "ext4", "xfs", "LVM2_member", "crypto_LUKS"])
probes = st.builds(
    Probe,
    nqn=st.sampled_from(["", NQN, NQN + "0"]),
    size=st.sampled_from([0, 2**30 - 1, 2**30, 2**31]),
    readable=st.booleans(),
    blkid=st.sampled_from([-9, 0, 1, 2, 4, 8, 127]),
    fs_type=filesystems,
    other=st.sampled_from(["", "gpt", "dos"]),
    superblock=st.none()
    | st.builds(
        Superblock,
        st.sampled_from(["ext", "xfs", "btrfs"]),
        st.sampled_from([OURS, OTHERS]),
        st.sampled_from([2**30, 2**31]),
        st.booleans(),
    ),
)
wishes = st.builds(
    Wanted,
    st.just(NQN),
    st.none() | st.just(2**30),
    st.sampled_from(["ext4", "xfs"]),
    st.none() | st.just(OURS),
)


@settings(max_examples=500)
@given(wishes, probes)
def test_nothing_is_formatted_unless_every_proof_is_there(wanted: Wanted, probe: Probe) -> None:
    try:
        action = decide(wanted, probe)
    except (NotCertainlyEmpty, OutOfRange):
        return

    assert (probe.nqn, probe.readable, probe.other) == (NQN, True, "")
    assert probe.size >= (wanted.size or 0)
    if action is Action.FORMAT:
        assert wanted.size is not None
        assert (probe.blkid, probe.fs_type, probe.superblock) == (2, "", None)
    else:
        assert (probe.blkid, probe.fs_type) == (0, wanted.fs_type)


@settings(max_examples=500)
@given(wishes, probes)
def test_nothing_is_erased_but_what_we_began_ourselves_and_never_finished(
    wanted: Wanted, probe: Probe
) -> None:
    try:
        erased = decide(wanted, probe) is Action.ERASE
    except (NotCertainlyEmpty, OutOfRange):
        return

    found = probe.superblock
    ours = found is not None and found.unfinished and found.uuid == wanted.begun
    if erased:
        assert ours
        assert found is not None
        assert found.kind == wanted.fs_type


def test_what_we_began_is_erased_and_what_another_began_is_not() -> None:
    assert decide(BEGUN, CUT_OFF) is Action.ERASE
    with pytest.raises(NotCertainlyEmpty, match="has not come to its end"):
        decide(replace(BEGUN, begun=OTHERS), CUT_OFF)
    finished = replace(CUT_OFF, superblock=replace(UNFINISHED, unfinished=False))
    assert decide(BEGUN, finished) is Action.MOUNT


def test_what_we_began_is_not_erased_where_something_else_is_beside_it() -> None:
    with pytest.raises(NotCertainlyEmpty, match="has not come to its end"):
        decide(BEGUN, replace(CUT_OFF, other="gpt"))


def test_what_we_began_is_erased_only_where_blkid_says_the_same_of_it() -> None:
    for probe in (replace(CUT_OFF, fs_type="ext4"), replace(CUT_OFF, fs_type="")):
        with pytest.raises(NotCertainlyEmpty, match="has not come to its end"):
            decide(BEGUN, probe)
    with pytest.raises(NotCertainlyEmpty, match="has not come to its end"):
        decide(replace(BEGUN, fs_type="ext4"), CUT_OFF)


@pytest.mark.parametrize("fields", [{"fs_type": "xfs"}, {"other": "gpt"}])
def test_blkid_that_found_nothing_and_names_something_is_a_doubt(fields: dict[str, str]) -> None:
    with pytest.raises(NotCertainlyEmpty, match="blkid ended with 2"):
        decide(WANTED, replace(EMPTY, **fields))  # type: ignore[arg-type]


def test_where_nobody_says_how_large_a_volume_is_no_device_is_too_small() -> None:
    assert decide(replace(WANTED, size=None), replace(FULL, size=0)) is Action.MOUNT


def test_an_empty_device_whose_size_nobody_says_is_not_formatted() -> None:
    with pytest.raises(NotCertainlyEmpty, match="nobody says how large"):
        decide(replace(WANTED, size=None), EMPTY)


def test_a_superblock_that_blkid_does_not_see_is_a_doubt() -> None:
    with pytest.raises(NotCertainlyEmpty, match="blkid ended with 2"):
        decide(WANTED, replace(EMPTY, superblock=UNFINISHED))


def test_a_device_that_is_proven_empty_is_formatted_and_one_with_its_filesystem_mounted() -> None:
    assert decide(WANTED, EMPTY) is Action.FORMAT
    assert decide(WANTED, FULL) is Action.MOUNT


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (replace(EMPTY, readable=False), "cannot be read"),
        (replace(EMPTY, nqn="nqn.2000-02.com.mikrotik:pvc-2"), "belongs to subsystem .*pvc-2"),
        (replace(EMPTY, nqn=""), "belongs to subsystem of no name"),
        (replace(EMPTY, blkid=4), "blkid ended with 4"),
        (replace(EMPTY, blkid=8), "blkid ended with 8"),
        (replace(FULL, fs_type="xfs"), "it has xfs on it"),
        (replace(FULL, other="gpt"), "it has ext4 and gpt on it"),
        (replace(FULL, fs_type=""), "something that blkid does not name"),
    ],
)
def test_every_doubt_is_a_refusal_with_its_reason(probe: Probe, reason: str) -> None:
    with pytest.raises(NotCertainlyEmpty, match=reason):
        decide(WANTED, probe)


def test_a_device_that_is_too_small_is_another_one_or_has_not_grown_yet() -> None:
    with pytest.raises(OutOfRange, match="1073741823 bytes, fewer than"):
        decide(WANTED, replace(FULL, size=2**30 - 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DEVNAME=/dev/x\nUUID=1\nTYPE=ext4\nUSAGE=filesystem\n", ("ext4", "")),
        ("TYPE=xfs\n", ("xfs", "")),
        ("TYPE=crypto_LUKS\nUSAGE=crypto\n", ("", "crypto_LUKS")),
        ("PTTYPE=dos\n", ("", "a partition table (dos)")),
        ("TYPE=ext4\nUSAGE=filesystem\nPTTYPE=gpt\n", ("ext4", "a partition table (gpt)")),
        (
            "TYPE=LVM2_member\nUSAGE=raid\nPTTYPE=gpt",
            ("", "LVM2_member and a partition table (gpt)"),
        ),
        ("LABEL=TYPE=xfs\nTYPE=ext4\n", ("ext4", "")),
        ("LABEL=a\\ b\\'c\nTYPE=ext4\n", ("ext4", "")),
        ("TYPE=a=b\n", ("a=b", "")),
        ("TYPE=two words\n", ("two words", "")),
        ("TYPE=it's\n", ("it's", "")),
        ("USAGE=raid\nPTTYPE=gpt\n", ("", "a partition table (gpt)")),
        ("", ("", "")),
    ],
)
def test_what_blkid_found_is_read(text: str, found: tuple[str, str]) -> None:
    assert parse_blkid(0, text) == found


@given(st.integers(-64, 255).filter(bool), st.text())
def test_what_blkid_prints_counts_only_with_its_word_that_it_found_something(
    code: int, text: str
) -> None:
    assert parse_blkid(code, text) == ("", "")


@given(st.text())
def test_whatever_blkid_prints_is_read_without_an_error(text: str) -> None:
    fs_type, other = parse_blkid(0, text)

    assert not fs_type or fs_type.strip()
    assert isinstance(other, str)
