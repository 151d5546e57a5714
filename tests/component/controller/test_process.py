"""The controller as a process: how it starts, refuses to start, and ends."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from libs.mockrds.testing import RunningDevice, running_device
from protos.gen.csi import v1 as csi
from services.controller.app import run
from tests.component.controller.rig import NAME, Rig, error_of, settings_for
from tests.waiting import PATIENCE


def flags(path: Path, device: RunningDevice) -> list[str]:
    settings = settings_for(path, device)
    return [
        f"--rds-address={settings.rds_address}",
        f"--rds-port={settings.rds_port}",
        f"--rds-password-file={settings.rds_password_file}",
        f"--rds-host-key-file={settings.rds_host_key_file}",
        f"--nvme-address={settings.nvme_address}",
        "--volume-base-paths=/raid10/volumes",
        f"--csi-endpoint={settings.csi_endpoint}",
        "--attachments=memory",
    ]


@contextlib.asynccontextmanager
async def start(path: Path, device: RunningDevice) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.controller"),
        *flags(path, device),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(channel: Channel) -> None:
    identity = csi.IdentityStub(channel, timeout=20)
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError, GRPCError):
                if (await identity.probe(csi.ProbeRequest())).ready:
                    return
            await asyncio.sleep(0.01)  # another process gets ready


@pytest.fixture
async def process(
    tmp_path: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Rig]]:
    async with running_device() as device, start(tmp_path, device) as process:
        channel = Channel(path=str(tmp_path / "csi.sock"))
        await ready(channel)
        yield (
            process,
            Rig(
                device,
                csi.ControllerStub(channel, timeout=20),
                csi.IdentityStub(channel, timeout=20),
                settings_for(tmp_path, device),
            ),
        )
        channel.close()


async def test_being_told_to_end_finishes_the_call_in_hand_and_removes_the_socket(
    process: tuple[asyncio.subprocess.Process, Rig], tmp_path: Path
) -> None:
    controller, rig = process
    rig.device.faults.add(Fault(Action.DELAY, "/disk/add", amount=0.5))
    creating = asyncio.create_task(rig.create())
    while not rig.device.slots:  # noqa: ASYNC110 (the device tells nobody)
        await asyncio.sleep(0.01)

    controller.terminate()
    volume = await creating
    code = await controller.wait()

    assert volume.volume_id == NAME
    assert code == 0
    assert not (tmp_path / "csi.sock").exists()


async def test_being_killed_in_the_middle_is_made_good_by_the_next_life(
    process: tuple[asyncio.subprocess.Process, Rig], tmp_path: Path
) -> None:
    controller, rig = process
    rig.device.faults.add(Fault(Action.HANG, "/disk/add"))
    creating = asyncio.create_task(rig.create())
    while not rig.device.slots:  # noqa: ASYNC110 (the device tells nobody)
        await asyncio.sleep(0.01)
    controller.kill()
    await controller.wait()
    await asyncio.gather(creating, return_exceptions=True)

    async with start(tmp_path, rig.device):
        channel = Channel(path=str(tmp_path / "csi.sock"))
        await ready(channel)
        again = Rig(rig.device, csi.ControllerStub(channel, timeout=20), rig.identity, rig.settings)
        volume = await again.create()
        status, _ = await error_of(again.publish("worker-1", "pvc-other"))
        channel.close()

    assert rig.device.slots == [volume.volume_id]
    assert status is Status.NOT_FOUND


def test_wrong_settings_end_it_at_once_with_every_problem(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(["--rds-port=0"], {})

    complaint = capsys.readouterr().err
    assert code == 2
    assert "--rds-address (RDS_CSI_RDS_ADDRESS) is required" in complaint
    assert "--rds-port (RDS_CSI_RDS_PORT): port must be a TCP port" in complaint


async def test_a_file_that_cannot_be_read_is_a_wrong_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_device() as device:
        arguments = flags(tmp_path, device)
    (tmp_path / "host-key").unlink()

    code = run([*arguments, "--check-config"], {})

    assert code == 2
    assert "--rds-host-key-file:" in capsys.readouterr().err


async def test_settings_can_be_checked_without_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_device() as device:
        arguments = flags(tmp_path, device)

    code = run([*arguments, "--check-config"], {"RDS_CSI_NVME_PORT": "4421"})

    assert code == 0
    assert "--nvme-port=4421" in capsys.readouterr().out.splitlines()
