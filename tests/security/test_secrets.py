"""Secrets that are planted in real services are found nowhere that they do not belong."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from grpclib import GRPCError
from grpclib.client import Channel

from demo.children import open_process, read_ready, wait_until_ready
from protos.gen.csi import v1 as csi
from tests.waiting import PATIENCE

NAME = "pvc-00000000-0000-0000-0000-000000000001"
NODE = "worker-1"
DEVICE_PASSWORD = f"device-{secrets.token_hex(12)}"
VOLUME_PASSWORD = f"volume-{secrets.token_hex(12)}"
WHOLE = csi.VolumeCapability(
    block=csi.VolumeCapabilityBlockVolume(),
    access_mode=csi.VolumeCapabilityAccessMode(
        mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
    ),
)


@dataclass
class House:
    """A controller and a node plugin at their most talkative, and what callers were told."""

    directory: Path
    controller: csi.ControllerStub
    node: csi.NodeStub
    pids: dict[str, int]
    metrics: list[str]
    answers: list[str]


async def open_stub(stack: contextlib.AsyncExitStack, name: str, path: Path) -> Channel:
    channel = Channel(path=str(path))
    stack.callback(channel.close)
    await wait_until_ready(name, csi.IdentityStub(channel, timeout=30), path.parent)
    return channel


@contextlib.asynccontextmanager
async def open_services(directory: Path) -> AsyncIterator[House]:
    (directory / "password").write_text(DEVICE_PASSWORD)
    (directory / "kubelet").mkdir()
    (directory / "images").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        flags = ["--listen=127.0.0.1:0", "--control=127.0.0.1:0", "--pool=raid10=1T:xfs"]
        flags += [f"--password-file={directory}/password", f"--disk-files={directory}/images"]
        device = await stack.enter_async_context(open_process("libs.mockrds", flags, directory))
        ready = await read_ready(device, directory)
        (directory / "host-key").write_text(ready["host_key"] + "\n")
        host, port = ready["ssh"].rsplit(":", 1)
        ports = [free_port(), free_port()]
        common = ["--log-level=debug"]
        controller = await stack.enter_async_context(
            open_process(
                "services.controller",
                [
                    *common,
                    f"--metrics-address=127.0.0.1:{ports[0]}",
                    *(f"--rds-address={host}", f"--rds-port={port}"),
                    f"--rds-password-file={directory}/password",
                    f"--rds-host-key-file={directory}/host-key",
                    "--nvme-address=192.0.2.10",
                    "--volume-base-paths=/raid10/volumes",
                    f"--csi-endpoint=unix://{directory}/csi.sock",
                    "--attachments=memory",
                ],
                directory,
            )
        )
        node = await stack.enter_async_context(
            open_process(
                "services.node",
                [
                    *common,
                    f"--metrics-address=127.0.0.1:{ports[1]}",
                    f"--node-id={NODE}",
                    "--managed-nqn-prefixes=nqn.2000-02.com.mikrotik",
                    *("--fabrics=loop", f"--loop-directory={directory}/images"),
                    *("--cluster=none", f"--kubelet-directory={directory}/kubelet"),
                    f"--state-directory={directory}/state",
                    f"--csi-endpoint=unix://{directory}/node.sock",
                ],
                directory,
            )
        )
        yield House(
            directory,
            csi.ControllerStub(
                await open_stub(stack, "controller", directory / "csi.sock"), timeout=30
            ),
            csi.NodeStub(await open_stub(stack, "node", directory / "node.sock"), timeout=30),
            {"controller": controller.pid, "node": node.pid},
            [f"http://127.0.0.1:{port}/metrics" for port in ports],
            [],
        )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def live_and_fail(house: House) -> None:
    """Take a volume with a password through its life, and fail in every way that has a secret."""
    given = {"nvmePassword": VOLUME_PASSWORD}
    created = await house.controller.create_volume(
        csi.CreateVolumeRequest(
            name=NAME,
            volume_capabilities=[WHOLE],
            parameters={"auth": "dhchap"},
            secrets=given,
        )
    )
    context = created.volume.volume_context if created.volume else {}
    published = await house.controller.controller_publish_volume(
        csi.ControllerPublishVolumeRequest(
            volume_id=NAME,
            node_id=NODE,
            volume_capability=WHOLE,
            secrets=given,
            volume_context=context,
        )
    )
    house.answers += [repr(created), repr(published)]
    stage = csi.NodeStageVolumeRequest(
        volume_id=NAME,
        staging_target_path=f"{house.directory}/kubelet/staging",
        volume_capability=WHOLE,
        volume_context=context,
        publish_context=published.publish_context,
        secrets={"nvmeSecret": VOLUME_PASSWORD},
    )
    for broken in (
        house.node.node_stage_volume(stage),
        house.controller.create_volume(
            csi.CreateVolumeRequest(
                name="a/b",
                volume_capabilities=[WHOLE],
                parameters={"auth": "dhchap"},
                secrets=given,
            )
        ),
        house.controller.create_volume(
            csi.CreateVolumeRequest(
                name="other",
                volume_capabilities=[WHOLE],
                parameters={"auth": "dhchap"},
                secrets={"nvmePassword": VOLUME_PASSWORD + "\x00"},
            )
        ),
    ):
        try:
            house.answers.append(repr(await broken))
        except GRPCError as error:
            house.answers.append(str(error))


def read(pid: int, kind: str) -> str:
    return Path(f"/proc/{pid}/{kind}").read_bytes().decode()


async def everything_said(house: House) -> dict[str, str]:
    said = {"answers": "\n".join(house.answers)}
    async with aiohttp.ClientSession() as web:
        for url in house.metrics:
            async with web.get(url) as response:
                said[url] = await response.text()
    for service, pid in house.pids.items():
        said[f"{service}.log"] = (house.directory / f"services.{service}.log").read_text()
        for kind in ("cmdline", "environ"):
            said[f"{service} {kind}"] = read(pid, kind)
    for path in (house.directory / "state").rglob("*"):
        if path.is_file():
            said[str(path)] = path.read_text()
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="the node plugin runs as root")
async def test_no_secret_is_in_a_log_an_answer_a_metric_an_argument_or_a_record(
    tmp_path: Path,
) -> None:
    async with open_services(tmp_path) as house:
        await live_and_fail(house)

        said = await everything_said(house)

    assert {name for name, text in said.items() if DEVICE_PASSWORD in text} == set()
    assert {name for name, text in said.items() if VOLUME_PASSWORD in text} == set()
    # What was looked through is not empty, and the password was used where it belongs.
    assert all(said[f"{service}.log"].count("\n") > 5 for service in house.pids)
    assert "***" in said["controller.log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the node plugin runs as root")
async def test_no_core_is_dumped_and_nobody_else_may_call(tmp_path: Path) -> None:
    async with open_services(tmp_path) as house:
        for service, pid in house.pids.items():
            limits = read(pid, "limits").splitlines()
            (core,) = [line for line in limits if line.startswith("Max core file")]
            assert core.split()[4] == "0", service

        modes = {
            name: (tmp_path / name).stat().st_mode & 0o777 for name in ("csi.sock", "node.sock")
        }

    assert modes == {"csi.sock": 0o600, "node.sock": 0o600}


async def test_a_service_is_not_dumpable() -> None:
    code = (
        "import ctypes; from libs.ops.hardening import forbid_core_dumps; forbid_core_dumps();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE
    )

    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert out.strip() == b"0"  # PR_GET_DUMPABLE
