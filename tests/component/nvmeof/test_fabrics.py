"""Connecting: what is done about each state that the kernel may be in."""

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn
from libs.nvmeof.errors import ConnectFailed, HostHangs, NoDevice, NotManaged
from libs.nvmeof.fabrics import NvmeFabrics
from libs.nvmeof.model import BlockDevice
from tests.component.nvmeof.fabrics_kernel import (
    HOST,
    NQN,
    PREFIX,
    QUICK,
    TARGET,
    Kernel,
    running_kernel,
)
from tests.waiting import until

DEVICE_SIZE = 2048 * 512


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with running_kernel(tmp_path) as kernel:
        yield kernel


async def test_a_connect_passes_all_that_matters_and_returns_the_device(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()

    device = await fabrics.ensure_connected(TARGET)

    assert device == BlockDevice(str(kernel.dev / "nvme0n1"), (259, 0), DEVICE_SIZE)
    assert kernel.options == [
        {
            "nqn": NQN.text,
            "transport": "tcp",
            "traddr": "127.0.0.1",
            "trsvcid": "4420",
            "hostnqn": HOST.nqn.text,
            "hostid": HOST.id,
            "nr_io_queues": "4",
            "ctrl_loss_tmo": "-1",
            "reconnect_delay": "5",
        }
    ]


async def test_a_name_is_resolved_for_the_kernel_which_cannot(kernel: Kernel) -> None:
    await kernel.fabrics().ensure_connected(replace(TARGET, address="localhost"))

    assert kernel.options[0]["traddr"] in {"127.0.0.1", "::1"}


async def test_a_name_that_nobody_knows_is_said_to_be_that(kernel: Kernel) -> None:
    with pytest.raises(ConnectFailed, match=r"no address is known for a\.\.b"):
        await kernel.fabrics().ensure_connected(replace(TARGET, address="a..b"))


async def test_what_nvme_cli_has_connected_is_used_as_it_is(kernel: Kernel) -> None:
    number = kernel.attach(NQN.text, host="nqn.2014-08.org.nvmexpress:uuid:somebody-else")

    device = await kernel.fabrics().ensure_connected(TARGET)

    assert device.number == (259, number)
    assert kernel.options == []


async def test_a_connect_that_another_was_quicker_with_is_a_success(kernel: Kernel) -> None:
    kernel.does.open_gate.clear()
    call = asyncio.create_task(kernel.fabrics().ensure_connected(TARGET))
    await until(lambda: kernel.under_way == 1)

    kernel.attach(NQN.text)
    kernel.does.open_gate.set()

    assert (await call).number == (259, 0)
    assert kernel.deleted == []


@pytest.mark.parametrize("other", ["nqn.2014-08.com.example:pvc-a", f"{PREFIX}x:pvc-a", PREFIX])
async def test_what_is_not_managed_is_neither_made_nor_touched(kernel: Kernel, other: str) -> None:
    fabrics = kernel.fabrics()
    kernel.attach(other)

    with pytest.raises(NotManaged):
        await fabrics.ensure_connected(replace(TARGET, nqn=Nqn(other)))
    with pytest.raises(NotManaged):
        await fabrics.ensure_disconnected(Nqn(other))
    with pytest.raises(NotManaged):
        await fabrics.rescan(Nqn(other))

    assert (kernel.options, kernel.deleted, kernel.rescanned) == ([], [], [])
    assert kernel.places(other) == [0]


def test_with_no_prefix_nothing_is_managed_and_that_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="prefix"):
        NvmeFabrics(HOST, [])


async def test_a_refusal_is_tried_three_times_and_then_says_what_to_check(kernel: Kernel) -> None:
    kernel.does.refusals = [errno.EIO] * 9

    with pytest.raises(ConnectFailed, match="this host's NQN is among those that it allows"):
        await kernel.fabrics().ensure_connected(TARGET)

    assert len(kernel.options) == 3


async def test_a_refusal_that_passes_is_got_over(kernel: Kernel) -> None:
    kernel.does.refusals = [errno.ECONNREFUSED, errno.ETIMEDOUT]

    device = await kernel.fabrics().ensure_connected(TARGET)

    assert device.number == (259, 0)


async def test_what_a_second_try_does_not_mend_is_not_tried_again(kernel: Kernel) -> None:
    kernel.does.refusals = [errno.EKEYREJECTED] * 9

    with pytest.raises(ConnectFailed, match="same secret"):
        await kernel.fabrics().ensure_connected(TARGET)

    assert len(kernel.options) == 1


async def test_of_twenty_connects_at_once_four_are_under_way(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    kernel.does.open_gate.clear()
    targets = [replace(TARGET, nqn=Nqn(f"{PREFIX}:pvc-{i}")) for i in range(20)]
    calls = [asyncio.create_task(fabrics.ensure_connected(target)) for target in targets]
    await until(lambda: kernel.under_way == 4)

    kernel.does.open_gate.set()
    devices = await asyncio.gather(*calls)

    assert len({device.number for device in devices}) == 20
    assert kernel.most_under_way == 4


async def test_calls_for_one_subsystem_share_a_connect_and_outlive_a_caller(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    kernel.does.open_gate.clear()
    impatient, patient = (asyncio.create_task(fabrics.ensure_connected(TARGET)) for _ in range(2))
    await until(lambda: kernel.under_way == 1)

    impatient.cancel()
    await asyncio.wait({impatient})
    kernel.does.open_gate.set()

    assert (await patient).number == (259, 0)
    assert len(kernel.options) == 1


async def test_a_lost_connection_is_waited_for_and_not_made_twice(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.set_state(0, "connecting")
    call = asyncio.create_task(kernel.fabrics().ensure_connected(TARGET))
    done, _ = await asyncio.wait({call}, timeout=0.1)
    assert not done

    kernel.set_state(0, "live")

    assert (await call).number == (259, 0)
    assert kernel.options == []


async def test_a_connection_that_does_not_come_back_is_said_to_be_lost(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.set_state(0, "connecting")

    with pytest.raises(ConnectFailed, match="is lost") as caught:
        await kernel.fabrics(replace(QUICK, connect=0.2)).ensure_connected(TARGET)

    assert caught.value.detail == "nvme0 connecting at 127.0.0.1:4420"
    assert kernel.deleted == []


async def test_a_dead_connection_is_taken_down_and_made_anew(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.set_state(0, "dead")

    device = await kernel.fabrics().ensure_connected(TARGET)

    assert device.number == (259, 0)
    assert (kernel.deleted, len(kernel.options)) == (["nvme0"], 1)


async def test_one_that_is_being_taken_down_is_waited_out(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.set_state(0, "deleting (no IO)")
    call = asyncio.create_task(kernel.fabrics().ensure_connected(TARGET))
    done, _ = await asyncio.wait({call}, timeout=0.1)
    assert not done

    kernel.detach(0)

    assert (await call).number == (259, 0)
    assert kernel.deleted == []


async def test_a_disk_that_a_rescan_shows_needs_no_more(kernel: Kernel) -> None:
    kernel.does.without_disk, kernel.does.rescans_show_disks = 1, True

    device = await kernel.fabrics(replace(QUICK, device=5.0)).ensure_connected(TARGET)

    assert device.number == (259, 0)
    assert (kernel.rescanned, kernel.deleted) == (["nvme0"], [])


async def test_a_connection_that_shows_no_disk_is_made_anew(kernel: Kernel) -> None:
    kernel.does.without_disk = 1

    device = await kernel.fabrics().ensure_connected(TARGET)

    assert device.number == (259, 0)
    assert (kernel.deleted, len(kernel.options)) == (["nvme0"], 2)


async def test_one_that_shows_none_again_is_given_up_and_left_connected(kernel: Kernel) -> None:
    kernel.does.without_disk = 9

    with pytest.raises(NoDevice, match="has no disk"):
        await kernel.fabrics().ensure_connected(TARGET)

    assert (kernel.deleted, kernel.places(NQN.text)) == (["nvme0"], [0])


async def test_a_disk_without_its_device_node_is_never_disconnected(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    (kernel.dev / "nvme0n1").write_text("8:0")

    with pytest.raises(NoDevice, match="must see this host's /dev"):
        await kernel.fabrics().ensure_connected(TARGET)

    assert kernel.deleted == []


async def test_a_kernel_that_does_not_answer_is_not_asked_twice_at_once(kernel: Kernel) -> None:
    fabrics = kernel.fabrics(replace(QUICK, attempt=0.05, connect=0.3))
    kernel.does.open_gate.clear()

    for _ in range(2):
        with pytest.raises(HostHangs):
            await fabrics.ensure_connected(TARGET)

    assert len(kernel.options) == 1


async def test_a_disconnect_waits_for_a_connect_that_the_kernel_is_still_at(kernel: Kernel) -> None:
    fabrics = kernel.fabrics(replace(QUICK, attempt=0.05))
    kernel.does.open_gate.clear()
    with pytest.raises(HostHangs):
        await fabrics.ensure_connected(TARGET)

    call = asyncio.create_task(fabrics.ensure_disconnected(NQN))
    done, _ = await asyncio.wait({call}, timeout=0.1)
    kernel.does.open_gate.set()
    await call

    assert not done
    assert (kernel.deleted, kernel.places(NQN.text)) == (["nvme0"], [])
