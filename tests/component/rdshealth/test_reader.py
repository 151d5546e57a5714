"""The SNMP client on the simulated agent, over real UDP, with both versions."""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import InvalidRequest, RdsCsiError, Refused, Unreachable
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.snmp import SnmpAccess, open_snmp
from libs.rdshealth.config import SnmpConfig
from libs.rdshealth.reader import SnmpReader
from tests.waiting import PATIENCE

TIB = 2**40
ACCESS = SnmpAccess(Secret("geheim"), "monitor", Secret("sign-with-it"), Secret("encrypt-with-it"))


@dataclass
class Rig:
    device: Device
    config: SnmpConfig
    files: Path

    def v3(self, **changes: Any) -> SnmpConfig:
        return dataclasses.replace(self.config, **{"version": "3", "user": "monitor", **changes})

    def write(self, community: str = "geheim", auth: str = "sign-with-it") -> None:
        (self.files / "community").write_text(f"{community}\n")
        (self.files / "auth").write_text(f"{auth}\n")
        (self.files / "privacy").write_text("encrypt-with-it\n")


@contextlib.asynccontextmanager
async def reading(config: SnmpConfig) -> AsyncIterator[SnmpReader]:
    async with contextlib.aclosing(SnmpReader(config)) as reader:
        yield reader


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    device = Device([Pool("raid10", TIB, used=TIB // 4)])
    async with open_snmp(lambda: device, "127.0.0.1", 0, ACCESS) as port:
        config = SnmpConfig(
            "127.0.0.1",
            port,
            community_file=tmp_path / "community",
            auth_password_file=tmp_path / "auth",
            privacy_password_file=tmp_path / "privacy",
            timeout=2.0,
            retries=20,  # over UDP a question may get lost
        )
        rig = Rig(device, config, tmp_path)
        rig.write()
        yield rig


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_sensors_and_storages_are_read(rig: Rig, version: str) -> None:
    sensors = rig.device.hardware.sensors
    config = rig.config if version == "2c" else rig.v3()
    async with reading(config) as reader:
        await reader.read()
        sensors.cpu_temperature, sensors.psu2_failed, sensors.fan1 = 71, True, 0

        hardware = await reader.read()

    assert hardware.cpu_temperature == 71
    assert hardware.fan_speeds == {"1": 0, "2": 7400}
    assert hardware.psu_states == {"1": True, "2": False}
    assert hardware.psu_watts == {"1": 142.0, "2": 138.0}
    pool = next(storage for storage in hardware.storages if storage.name == "raid10")
    assert (pool.size, pool.used) == (TIB, TIB // 4)


async def test_tables_of_any_length_are_read_whole(rig: Rig) -> None:
    rig.device.pools += [Pool(f"pool-{i}", TIB) for i in range(100)]
    async with reading(rig.v3()) as reader:
        hardware = await reader.read()

    names = {storage.name for storage in hardware.storages}
    assert names == {"main memory", "raid10"} | {f"pool-{i}" for i in range(100)}


async def test_a_size_above_two_tebibytes_overflows_as_on_the_device(rig: Rig) -> None:
    rig.device.pools = [Pool("wrapped", 16 * TIB), Pool("negative", 3 * TIB)]
    async with reading(rig.config) as reader:
        hardware = await reader.read()

    sizes = {storage.name: storage.size for storage in hardware.storages}
    assert sizes["wrapped"] == 0
    assert sizes["negative"] is None


async def test_another_community_is_not_answered(rig: Rig) -> None:
    rig.write(community="other")
    async with reading(dataclasses.replace(rig.config, timeout=0.2, retries=0)) as reader:
        with pytest.raises(Unreachable, match="or does not know the community"):
            await reader.read()


@pytest.mark.parametrize(
    ("auth", "user"), [("not-that-one", "monitor"), ("sign-with-it", "nobody")]
)
async def test_another_user_or_password_is_refused(rig: Rig, auth: str, user: str) -> None:
    rig.write(auth=auth)
    async with reading(rig.v3(user=user)) as reader:
        with pytest.raises(Refused, match="refuses to answer over SNMP"):
            await reader.read()


async def test_credentials_that_were_rotated_are_used_without_a_restart(rig: Rig) -> None:
    rig.write(auth="the-next-one")
    async with reading(rig.v3()) as reader:
        with pytest.raises(Refused):
            await reader.read()
        rig.write()

        hardware = await reader.read()

    assert hardware.cpu_temperature == 45


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_an_agent_that_was_started_anew_is_asked_as_before(rig: Rig, version: str) -> None:
    config = rig.config if version == "2c" else rig.v3()
    async with contextlib.AsyncExitStack() as stack:
        async with open_snmp(lambda: rig.device, "127.0.0.1", 0, ACCESS) as port:
            config = dataclasses.replace(config, port=port, timeout=1.0, retries=3)
            reader = await stack.enter_async_context(reading(config))
            await reader.read()
        async with open_snmp(lambda: rig.device, "127.0.0.1", port, ACCESS):
            rig.device.hardware.sensors.cpu_temperature = 52
            hardware = await reader.read()

    assert hardware.cpu_temperature == 52


async def test_nobody_listening_takes_no_longer_than_was_allowed(rig: Rig) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        config = dataclasses.replace(rig.config, port=mute.getsockname()[1], timeout=0.2, retries=0)
        async with reading(config) as reader, asyncio.timeout(PATIENCE):
            with pytest.raises(Unreachable, match="does not answer over SNMP"):
                await reader.read()


async def test_a_reader_that_was_broken_off_can_be_used_again(rig: Rig) -> None:
    async with reading(rig.config) as reader:
        await reader.read()
        asking = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

        hardware = await reader.read()

    assert hardware.cpu_temperature == 45


async def test_what_was_closed_stays_closed(rig: Rig) -> None:
    async with reading(rig.config) as reader:
        await reader.read()

    with pytest.raises(Unreachable, match="is not asked any more"):
        await reader.read()


@pytest.mark.parametrize(
    ("version", "file", "content", "words"),
    [
        ("2c", "community", None, "which cannot be read"),
        ("2c", "community", "", "which is empty"),
        ("3", "auth", "short", "at least 8 characters"),
        ("3", "privacy", None, "password that encrypts"),
    ],
)
async def test_credentials_that_cannot_be_used_are_a_sentence(
    rig: Rig, version: str, file: str, content: str | None, words: str
) -> None:
    path = rig.files / file
    path.unlink() if content is None else path.write_text(content)
    async with reading(rig.config if version == "2c" else rig.v3()) as reader:
        with pytest.raises(InvalidRequest, match=words):
            await reader.read()


async def test_no_error_and_no_text_shows_a_secret(rig: Rig) -> None:
    rig.write(auth="not-that-one")
    async with reading(rig.v3()) as reader:
        with pytest.raises(RdsCsiError) as caught:
            await reader.read()

    shown = f"{caught.value} {caught.value.detail} {rig.config} {ACCESS}"
    assert not {"not-that-one", "encrypt-with-it", "geheim"} & set(shown.split())
    assert "geheim" not in shown
