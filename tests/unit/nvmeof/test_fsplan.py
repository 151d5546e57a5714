from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import OutOfRange, RdsCsiError
from libs.nvmeof.errors import NotCertainlyEmpty
from libs.nvmeof.fsplan import Action, Probe, Wanted, decide

NQN = "nqn.2000-02.com.mikrotik:pvc-1"
WANTED = Wanted(NQN, 2**30, "ext4")
EMPTY = Probe(NQN, 2**30, readable=True, blkid=2)
FULL = replace(EMPTY, blkid=0, fs_type="ext4")

filesystems = st.sampled_from(["", "ext4", "xfs", "LVM2_member", "crypto_LUKS"])
probes = st.builds(
    Probe,
    nqn=st.sampled_from(["", NQN, NQN + "0"]),
    size=st.sampled_from([0, 2**30 - 1, 2**30, 2**31]),
    readable=st.booleans(),
    blkid=st.sampled_from([-9, 0, 1, 2, 4, 8, 127]),
    fs_type=filesystems,
    other=st.sampled_from(["", "gpt", "dos"]),
)


@given(probes)
def test_nothing_is_formatted_unless_every_proof_is_there(probe: Probe) -> None:
    try:
        action = decide(WANTED, probe)
    except RdsCsiError:
        return

    assert probe.nqn == NQN
    assert probe.readable
    assert WANTED.size is not None
    assert probe.size >= WANTED.size
    assert not probe.superblock
    assert not probe.other
    assert (action, probe.blkid, probe.fs_type) in {
        (Action.FORMAT, 2, ""),
        (Action.MOUNT, 0, "ext4"),
    }


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
