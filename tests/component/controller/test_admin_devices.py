"""What the admin API lists of several devices."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.csikit.channel import open_admin_channel
from libs.csikit.collect import collect_inventory
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.testing import RunningDevice, running_device
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.app import open_controller
from tests.component.controller.admin_rig import (
    OTHER,
    AdminRig,
    names,
    open_alone,
)
from tests.component.controller.rig import GIB, NAME, connect, error_of, settings_for


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with open_alone(tmp_path, fencing=True) as there:
        yield there


async def test_a_device_that_there_is_not_is_no_device_to_list(there: AdminRig) -> None:
    status, message = await error_of(there.inventory("another"))

    assert (status, message) == (Status.INVALID_ARGUMENT, "no device is named another")


# Several devices


@contextlib.asynccontextmanager
async def open_two(path: Path) -> AsyncIterator[tuple[AdminRig, RunningDevice]]:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(running_device())
        device = Device([Pool("pool2", 10 * GIB)])
        second = await stack.enter_async_context(running_device(device))
        file = path / "devices.yaml"
        file.write_text(
            f"""
            devices:
              - {{rds-name: rack1, default: true}}
              - {{rds-name: rack2, rds-port: {second.port}, volume-base-paths: [/pool2/volumes]}}
            """
        )
        socket = path / "admin.sock"
        settings = settings_for(path, first, rds_devices_file=file, admin_endpoint=socket)
        await stack.enter_async_context(open_controller(settings))
        channel = await stack.enter_async_context(open_admin_channel(socket))
        stub = admin.ControllerAdminStub(channel, timeout=20)
        rig = await connect(stack, first, settings)
        yield AdminRig(rig, channel, stub), second


async def test_a_device_that_fails_says_so_and_the_other_is_listed_whole(tmp_path: Path) -> None:
    async with open_two(tmp_path) as (there, second):
        await there.rig.create()
        volume = (await there.rig.create(OTHER, parameters={"rds": "rack2"})).volume_id
        both = await there.inventory()

        async with second.mock.restarting():
            one = await there.inventory()

        assert {name: names(listing)[0] for name, listing in both.items()} == {
            "rack1": [NAME],
            "rack2": [volume],
        }
        assert (one["rack1"].is_whole, names(one["rack1"])[0]) == (True, [NAME])
        assert (one["rack2"].is_whole, one["rack2"].reachable) == (False, False)
        assert one["rack2"].error
        assert names(one["rack2"]) == ([], [], [])


async def test_only_the_devices_that_are_named_are_listed(tmp_path: Path) -> None:
    async with open_two(tmp_path) as (there, _):
        assert list(await there.inventory("rack2")) == ["rack2"]


async def test_a_stream_that_ends_too_soon_is_no_listing() -> None:
    async def cut() -> AsyncIterator[admin.GetInventoryResponse]:
        items = admin.DeviceItems(volumes=[admin.Volume(volume_id=NAME)])
        yield admin.GetInventoryResponse(device="rds", items=items)

    (listing,) = (await collect_inventory(cut())).values()

    assert (listing.is_whole, listing.volumes) == (False, [])
