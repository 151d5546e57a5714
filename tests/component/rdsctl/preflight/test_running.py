"""How preflight runs: what it is given, what does not answer, and what it prints."""

import asyncio
import sys

import pytest

from libs.mockrds.faults import Action, Fault
from tests.component.rdsctl.preflight.world import LIMIT, World, run_here, volume_name


async def test_a_script_gets_the_keys_that_are_documented(moved: World) -> None:
    ended = await moved.preflight()

    assert set(ended.json) == {"ready", "findings", "settings", "unreached"}
    assert set(ended.json["findings"][0]) == {"level", "check", "text", "remedy", "names"}


async def test_warnings_alone_are_no_failure_without_exit_code(moved: World) -> None:
    await moved.api.remove("/api/v1/persistentvolumes", volume_name(2))

    ended = await moved.preflight()

    assert (ended.code, ended.json["ready"]) == (0, True)


async def test_a_wrong_password_is_said_and_the_cluster_still_looked_at(moved: World) -> None:
    flags = moved.device_flags
    (moved.folder / "password").write_text("wrong")

    ended = await run_here("preflight", *moved.cluster_flags, *flags, "-o", "json")

    assert ended.code == 3
    assert "does not let user 'rds-csi' log in" in ended.json["unreached"][0]
    assert ended.findings("volumes")


async def test_another_host_key_is_refused_before_anything_is_asked(moved: World) -> None:
    flags = moved.device_flags
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    (moved.folder / "host-key").write_text(other)

    ended = await run_here("preflight", *flags, "-o", "json")

    assert (ended.code, moved.device.history) == (3, [])
    assert "shows host key" in ended.json["unreached"][0]


async def test_a_cluster_that_does_not_answer_is_said_and_the_device_still_looked_at(
    moved: World,
) -> None:
    moved.api.broken = (503, "no")

    ended = await moved.preflight()

    assert (ended.code, ended.json["ready"]) == (3, False)
    assert "503" in ended.json["unreached"][0]
    assert ended.findings("device")


async def test_a_device_that_hangs_is_given_up_in_time(moved: World) -> None:
    moved.device.faults.add(Fault(Action.HANG, "/disk/print"))

    ended = await moved.preflight("--timeout", "1")

    assert ended.code == 3
    assert "was not read within 1 s" in ended.json["unreached"][0]


async def test_people_read_what_is_wrong_first_and_what_to_do_about_it(moved: World) -> None:
    await moved.put_driver(attachRequired=False)

    ended = await run_here("preflight", *moved.cluster_flags)

    first, second, third, *_ = ended.out.splitlines()
    assert first.split() == ["LEVEL", "CHECK", "FINDING"]
    assert second.startswith("blocker  csidriver")
    assert third.strip().startswith("do: the field cannot be changed")
    assert ended.out.splitlines()[-1] == (
        "Do not move yet: 1 blocker, 0 warnings. Nothing was changed."
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "there is nothing to look at"),
        (["--rds-address", "192.0.2.10"], "--rds-host-key-file is required"),
        (["--rds-key-file", "key"], "it is not said where the device is"),
        (["--kubeconfig", "k", "--volume-base-paths", "relative"], "--volume-base-paths must be"),
        (["--kubeconfig", "k", "--driver-name", "-"], "--driver-name must be"),
        (["--kubeconfig", "k", "--managed-nqn-prefixes", "x"], "--managed-nqn-prefixes must be"),
    ],
)
async def test_flags_that_cannot_be_used_are_wrong_usage(flags: list[str], said: str) -> None:
    ended = await run_here("preflight", *flags)

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


async def test_it_runs_as_a_process_and_says_nothing_beside_its_findings(moved: World) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rdsctl", "preflight"),
        *(*moved.cluster_flags, *moved.device_flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")
    assert out.splitlines()[-1].startswith(b"All is ready")


async def test_no_other_command_imports_what_only_preflight_needs() -> None:
    heavy = "asyncssh aiohttp kubernetes_asyncio yaml"
    code = f"import sys, rdsctl.running; print(*set({heavy.split()}) & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT):
        out, _ = await process.communicate()

    assert out.split() == []
