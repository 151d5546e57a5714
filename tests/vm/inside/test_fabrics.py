"""NVMe/TCP connections on a real kernel."""

import asyncio
import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import ConnectFailed, HostUnable, NoDevice, NotManaged
from libs.nvmeof.fabrics import NvmeFabrics
from libs.nvmeof.fabrics_connect import FabricsFile
from libs.nvmeof.model import BlockDevice, LinkState, Target
from tests.vm.inside.rig import HOST, NQN, PREFIX, QUICK, reach, until
from tests.vm.nvmet import ADDRESS, MIB, PORT, Nvmet, nvme

CLI = ("--transport=tcp", f"--traddr={ADDRESS}", f"--trsvcid={PORT}")


class CountingFile(FabricsFile):
    """Counts the writes that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self.under_way = self.most = 0

    def connect(self, options: str) -> str:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            return super().connect(options)
        finally:
            with self._lock:
                self.under_way -= 1


async def state_of(fabrics: NvmeFabrics, nqn: Nqn = NQN) -> LinkState | None:
    found = await fabrics.find(nqn)
    return None if found is None else found.state


def is_that_block_device(device: BlockDevice) -> bool:
    try:
        status = Path(device.path).stat()
    except FileNotFoundError:
        return False
    number = os.major(status.st_rdev), os.minor(status.st_rdev)
    return stat.S_ISBLK(status.st_mode) and number == device.number


async def test_a_volume_is_connected_found_and_disconnected(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=HOST.nqn)

    await fabrics.check_can_connect()
    device = await fabrics.ensure_connected(reach())
    found = await fabrics.find(NQN)
    again = await fabrics.ensure_connected(reach())
    was_there = is_that_block_device(device)
    await fabrics.ensure_disconnected(NQN)

    assert was_there
    assert device.size == 16 * MIB
    assert again == device
    assert found is not None
    assert (found.state, found.device) == (LinkState.LIVE, device)
    assert await fabrics.find(NQN) is None
    assert not is_that_block_device(device)


async def test_nvme_cli_sees_what_we_made_and_can_undo_it(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=HOST.nqn)
    await fabrics.ensure_connected(reach())

    listed = json.loads(nvme("list-subsys", "-o", "json"))
    nvme("disconnect", f"--nqn={NQN}")
    after = await fabrics.find(NQN)
    device = await fabrics.ensure_connected(reach())

    assert NQN.text in json.dumps(listed)
    assert HOST.nqn.text in json.dumps(listed)
    assert after is None
    assert is_that_block_device(device)


async def test_what_nvme_cli_made_is_used_and_can_be_undone(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=HOST.nqn)
    nvme("connect", *CLI, f"--nqn={NQN}", f"--hostnqn={HOST.nqn}", f"--hostid={HOST.id}")

    device = await fabrics.ensure_connected(reach())
    found = await fabrics.find(NQN)
    await fabrics.ensure_disconnected(NQN)

    assert device.size == 16 * MIB
    assert found is not None
    assert len(found.controllers) == 1
    assert "pvc-a" not in nvme("list-subsys")


async def test_another_drivers_connection_is_left_alone(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    other = Nqn("nqn.2014-08.com.example:pvc-a")
    target.export(other)
    nvme("connect", *CLI, f"--nqn={other}")

    with pytest.raises(NotManaged):
        await fabrics.ensure_disconnected(other)
    with pytest.raises(NotManaged):
        await fabrics.ensure_connected(reach(other))

    assert await fabrics.list_connections() == []
    assert await state_of(fabrics, other) is LinkState.LIVE


async def test_a_target_that_goes_away_is_waited_for(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn)
    before = await fabrics.ensure_connected(reach())

    target.unlink(NQN)
    await until(lambda: is_in(fabrics, LinkState.CONNECTING))
    call = asyncio.create_task(fabrics.ensure_connected(reach()))
    await asyncio.sleep(0)
    target.link(NQN)
    after = await call

    assert after == before
    assert await state_of(fabrics) is LinkState.LIVE


async def is_in(fabrics: NvmeFabrics, state: LinkState) -> bool:
    return await state_of(fabrics) is state


async def test_a_lost_connection_can_be_disconnected(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn)
    await fabrics.ensure_connected(reach())
    target.unlink(NQN)
    await until(lambda: is_in(fabrics, LinkState.CONNECTING))

    await fabrics.ensure_disconnected(NQN)

    assert await fabrics.find(NQN) is None


async def test_a_disk_that_shows_late_is_waited_for(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn, enabled=False)
    call = asyncio.create_task(fabrics.ensure_connected(reach()))
    await until(lambda: is_in(fabrics, LinkState.LIVE))
    found = await fabrics.find(NQN)

    target.enable(NQN)
    device = await call

    assert found is not None
    assert found.device is None
    assert is_that_block_device(device)


async def test_a_disk_that_never_shows_is_given_up(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn, enabled=False)

    with pytest.raises(NoDevice, match="has no disk"):
        await fabrics.ensure_connected(reach())

    assert await state_of(fabrics) is LinkState.LIVE


async def test_growth_is_seen_after_a_rescan(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn)
    await fabrics.ensure_connected(reach())

    target.grow(NQN, 64 * MIB)
    before = await fabrics.find(NQN)
    await fabrics.rescan(NQN)

    async def has_grown() -> bool:
        found = await fabrics.find(NQN)
        return found is not None and found.device is not None and found.device.size == 64 * MIB

    await until(has_grown)
    assert before is not None
    assert before.device is not None
    assert before.device.size == 16 * MIB


async def test_a_host_that_is_not_allowed_is_told_what_to_check(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=Nqn("nqn.2014-08.org.nvmexpress:uuid:somebody-else"))

    with pytest.raises(ConnectFailed, match="NQN is among those that it allows"):
        await fabrics.ensure_connected(reach())

    assert await fabrics.find(NQN) is None


async def test_a_port_where_nothing_listens_is_named(target: Nvmet, fabrics: NvmeFabrics) -> None:
    target.export(NQN, host=HOST.nqn)

    with pytest.raises(ConnectFailed, match="port 4421: nothing listens"):
        await fabrics.ensure_connected(reach(port=4421))


async def test_a_target_that_says_nothing_does_not_stop_what_is_asked_of_sysfs(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=HOST.nqn)
    await fabrics.ensure_connected(reach())
    silent = Nqn(f"{PREFIX}:pvc-silent")
    with socket.create_server((ADDRESS, 4421)):  # which nobody accepts from
        call = asyncio.create_task(fabrics.ensure_connected(reach(silent, 4421)))
        await until(lambda: has_controllers(2))

        found, unknown = await fabrics.find(NQN), await fabrics.find(silent)

    call.cancel()
    await fabrics.ensure_disconnected(silent)

    assert found is not None
    assert found.state is LinkState.LIVE
    assert unknown is None
    assert await fabrics.find(silent) is None


async def has_controllers(count: int) -> bool:
    return len(await asyncio.to_thread(os.listdir, "/sys/class/nvme")) == count


async def test_a_kernel_without_dhchap_is_found_out(target: Nvmet, fabrics: NvmeFabrics) -> None:
    config = Path(f"/boot/config-{os.uname().release}")
    if "NVME_HOST_AUTH=y" in await asyncio.to_thread(config.read_text):
        pytest.skip("this kernel has DH-CHAP")
    target.export(NQN, host=HOST.nqn)
    secret = Secret("DHHC-1:00:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:")

    with pytest.raises(HostUnable, match="without DH-CHAP"):
        await fabrics.ensure_connected(Target(NQN, ADDRESS, PORT, secret=secret))

    assert await fabrics.find(NQN) is None


async def test_twenty_at_once_are_connected_a_few_at_a_time(target: Nvmet) -> None:
    file = CountingFile()
    fabrics = NvmeFabrics(HOST, [PREFIX], limits=QUICK, file=file)
    nqns = [Nqn(f"{PREFIX}:pvc-{i}") for i in range(20)]
    for nqn in nqns:
        target.export(nqn, host=HOST.nqn)

    devices = await asyncio.gather(*(fabrics.ensure_connected(reach(nqn)) for nqn in nqns))
    listed = await fabrics.list_connections()
    await asyncio.gather(*(fabrics.ensure_disconnected(nqn) for nqn in nqns))

    assert {c.device for c in listed} == set(devices)
    assert len({device.number for device in devices}) == 20
    assert 1 < file.most <= QUICK.at_once
    assert await fabrics.list_connections() == []


async def test_a_device_that_is_held_open_does_not_stand_for_its_successor(
    target: Nvmet, fabrics: NvmeFabrics
) -> None:
    target.export(NQN, host=HOST.nqn)
    first = await fabrics.ensure_connected(reach())
    holder = os.open(first.path, os.O_RDONLY)

    await fabrics.ensure_disconnected(NQN)
    between = await fabrics.find(NQN)
    second = await fabrics.ensure_connected(reach())
    os.close(holder)

    assert between is None
    assert second.number != first.number
    assert is_that_block_device(second)
