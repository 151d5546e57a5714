import asyncio
import dataclasses
from pathlib import Path

import asyncssh
import pytest

from libs.core.errors import OutcomeUnknown, Unreachable
from libs.core.secret import Secret
from libs.mockrds.faults import Action, Fault
from libs.mockrds.latency import fixed
from libs.mockrds.server import Access
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.errors import CommandTimeout, HostKeyRefused, LoginRefused, QueueTimeout
from libs.rdsclient.transport import open_transport


def config(device: RunningDevice, **changes: object) -> RdsConfig:
    base = RdsConfig(device.host, device.port, host_key=device.host_key, password=Secret(PASSWORD))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type] # fields of the config


async def arrived(device: RunningDevice) -> None:
    while not any("stuck" in e.line for e in device.execs):  # noqa: ASYNC110 (it tells nobody)
        await asyncio.sleep(0)


async def test_a_line_is_one_exec_and_its_answer() -> None:
    async with running_device() as device, open_transport(config(device)) as transport:
        reply = await transport.run(Command(":put hello", changes=True))

    assert (reply.text, reply.status) == ("hello\r\n", 0)
    assert transport.round_trips == 1


async def test_no_more_sessions_are_open_than_allowed_and_everyone_is_served() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=4)) as transport,
    ):
        device.mock.sessions = 4  # one more at once would be refused
        device.mock.latency = fixed(0.005)

        replies = await asyncio.gather(
            *(transport.run(Command(f":put {i}", changes=True)) for i in range(100))
        )

    assert [reply.text.strip() for reply in replies] == [str(i) for i in range(100)]


async def test_a_caller_that_leaves_frees_its_session() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1)) as transport,
    ):
        device.faults.add(Fault(Action.HANG, "stuck"))
        stuck = asyncio.create_task(transport.run(Command(":put stuck", changes=True)))
        await arrived(device)
        stuck.cancel()

        reply = await transport.run(Command(":put next", changes=True))

    assert reply.text == "next\r\n"


async def test_waiting_for_a_session_and_waiting_for_an_answer_are_told_apart() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, max_sessions=1, command_timeout=0.3)) as transport,
    ):
        device.faults.add(Fault(Action.HANG, "stuck", count=2))
        await transport.link.wait_for_connection(after=0)

        stuck = asyncio.create_task(transport.run(Command(":put stuck", changes=True)))
        await arrived(device)
        with pytest.raises((QueueTimeout, CommandTimeout)):
            await transport.run(Command(":put stuck", changes=True))
        with pytest.raises(CommandTimeout):
            await stuck

    assert issubclass(QueueTimeout, Unreachable)
    assert issubclass(CommandTimeout, OutcomeUnknown)


async def test_a_peer_that_stops_answering_is_found_out() -> None:
    quick = {"keepalive_interval": 0.05, "keepalive_timeout": 0.05}
    async with running_device() as device, open_transport(config(device, **quick)) as transport:
        first = await transport.link.wait_for_connection(after=0)
        device.faults.add(Fault(Action.HANG, "alive", count=1))

        second = await transport.link.wait_for_connection(after=first)

    assert second > first


async def test_a_device_that_refuses_a_session_is_busy_and_not_gone() -> None:
    async with running_device() as device, open_transport(config(device)) as transport:
        device.mock.sessions = 0

        with pytest.raises(Unreachable, match="refuses another session"):
            await transport.run(Command(":put hello", changes=True))
        device.mock.sessions = 1
        await transport.run(Command(":put hello", changes=True))

    assert transport.link.status.epoch == 1


async def test_one_of_several_pinned_keys_is_enough_while_a_key_is_rotated() -> None:
    old = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with running_device() as device:
        keys = f"# old and new\n{old}\n{device.host_key}\n"
        async with open_transport(config(device, host_key=keys)) as transport:
            await transport.run(Command(":put hello", changes=True))


async def test_a_known_hosts_file_is_understood_too() -> None:
    async with running_device() as device:
        line = f"[{device.host}]:{device.port} {device.host_key}"
        async with open_transport(config(device, host_key=line)) as transport:
            await transport.run(Command(":put hello", changes=True))


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_another_host_key_of_any_type_is_refused_with_both_fingerprints(kind: str) -> None:
    pinned = asyncssh.generate_private_key(kind).convert_to_public()
    text = pinned.export_public_key().decode()
    async with running_device() as device:
        async with open_transport(config(device, host_key=text)) as transport:
            with pytest.raises(HostKeyRefused) as caught:
                await transport.run(Command(":put hello", changes=True))

        shown = asyncssh.import_public_key(device.host_key).get_fingerprint()
        assert shown in caught.value.message
        assert pinned.get_fingerprint() in caught.value.message
        assert device.execs == []


@pytest.mark.parametrize("text", ["", "# nothing", "ssh-ed25519 notbase64"])
async def test_checking_against_nothing_or_nonsense_is_refused(text: str) -> None:
    async with (
        running_device() as device,
        open_transport(config(device, host_key=text)) as transport,
    ):
        with pytest.raises(HostKeyRefused):
            await transport.run(Command(":put hello", changes=True))


async def test_checking_can_be_switched_off_by_name() -> None:
    async with (
        running_device() as device,
        open_transport(config(device, host_key="", check_host_key=False)) as transport,
    ):
        await transport.run(Command(":put hello", changes=True))


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa"])
async def test_a_user_key_is_used_and_read_again_after_it_was_rotated(
    tmp_path: Path, kind: str
) -> None:
    old, new = (asyncssh.generate_private_key(kind) for _ in range(2))
    file = tmp_path / "key"
    file.write_bytes(new.export_private_key())
    access = Access(authorized_keys=(new.convert_to_public(),))
    async with running_device(access=access) as device:
        async with open_transport(config(device, key_file=file, password=None)) as transport:
            await transport.run(Command(":put hello", changes=True))
        file.write_bytes(old.export_private_key())
        async with open_transport(config(device, key_file=file, password=None)) as transport:
            with pytest.raises(LoginRefused):
                await transport.run(Command(":put hello", changes=True))
            file.unlink()
        async with open_transport(config(device, key_file=file, password=None)) as transport:
            with pytest.raises(LoginRefused, match="cannot be read"):
                await transport.run(Command(":put hello", changes=True))
