"""What is asked by connecting, with a host that follows the device's word."""

from typing import Any

import pytest

from libs.nvmeof.errors import NoDevice
from libs.nvmeof.model import BlockDevice
from tests.hardware.connecting import QUESTIONS
from tests.hardware.data import QUESTIONS as OF_DATA
from tests.hardware.host import read_start, write_start
from tests.hardware.model import Verdict
from tests.hardware.rig import OWN, FakeHost, Rig

NAMES = [question.name for question in (*QUESTIONS, *OF_DATA)]


async def test_a_device_that_does_as_expected_is_confirmed(rig: Rig) -> None:
    host = FakeHost(rig.device)

    report = await rig.run(*NAMES, host=host)

    assert {result.answer.verdict for result in report.results} == {Verdict.CONFIRMED}, report
    assert [result.name for result in report.results] == NAMES
    assert (rig.is_clean, host.connections) == (True, {})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("grow-seen", {"sees": "never"}),
        ("allow-host-enforced", {"enforces": False}),
        ("fencing-cuts", {"stopping_cuts": False}),
        ("password-works", {"enforces": False}),
        ("file-copy-data", {"copies_data": False}),
        ("file-copy-data", {"mixes": True}),
        ("btrfs-clone-data", {"copies_data": False}),
        ("btrfs-clone-data", {"mixes": True}),
    ],
)
async def test_a_device_that_does_otherwise_is_told(
    rig: Rig, name: str, given: dict[str, Any]
) -> None:
    host = FakeHost(rig.device, **given)

    result = await rig.ask(name, host)

    assert result.answer.verdict is Verdict.DIFFERENT, result
    assert (rig.is_clean, host.connections) == (True, {})


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("grow-seen", {"sees": "itself"}, "by itself"),
        ("grow-seen", {"sees": "rescan"}, "when it looks again"),
        ("fencing-keeps", {}, "keeps its connection"),
        ("fencing-keeps", {"delisting_cuts": True}, "is cut off"),
    ],
)
async def test_what_nobody_leans_on_is_told_as_it_is(
    rig: Rig, name: str, given: dict[str, Any], words: str
) -> None:
    result = await rig.ask(name, FakeHost(rig.device, **given))

    assert result.answer.verdict is Verdict.CONFIRMED
    assert result.answer.found.endswith(words)


async def test_the_name_of_this_host_is_not_told(rig: Rig) -> None:
    report = await rig.run("allow-host-enforced", host=FakeHost(rig.device))

    assert OWN not in str(report)
    assert any(OWN in one.line for one in rig.device.execs)
    assert "HOST-NQN" in str(report)


def test_a_device_whose_name_is_another_ones_by_now_is_neither_written_nor_read() -> None:
    zero = BlockDevice("/dev/zero", (1, 5), 0)  # Documentation/admin-guide/devices.txt of Linux
    other = BlockDevice("/dev/zero", (259, 0), 0)

    assert read_start(zero, 8) == bytes(8)
    with pytest.raises(NoDevice):
        read_start(other, 8)
    with pytest.raises(NoDevice):
        write_start(other, b"data")
