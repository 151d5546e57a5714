"""What a controller in a process of its own shows: logs, spans, and a level that changes."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib.client import Channel

from libs.mockrds.testing import RunningDevice, running_device
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import Rig, create_request, mount, settings_for
from tests.component.controller.test_process import flags, ready
from tests.component.ops.collector import Collector, open_collector, texts
from tests.waiting import PATIENCE, eventually

CREATE = "csi.v1.Controller/CreateVolume"
SECRET = "hunter2-of-the-test"


@dataclass
class Running:
    """A controller, and what it has written to standard error so far."""

    process: asyncio.subprocess.Process
    rig: Rig
    text: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    async def listen(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.text.append(line.decode())

    async def end(self) -> None:
        """End it as Kubernetes does, and wait until it has."""
        self.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == 0


@contextlib.asynccontextmanager
async def open_running(path: Path, device: RunningDevice, *more: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.controller", *flags(path, device), *more),
        stderr=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    channel = Channel(path=str(path / "csi.sock"))
    stubs = csi.ControllerStub(channel, timeout=20), csi.IdentityStub(channel, timeout=20)
    running = Running(process, Rig(device, *stubs, settings_for(path, device)))
    listening = asyncio.create_task(running.listen())
    try:
        await ready(channel)
        yield running
    finally:
        channel.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening


async def test_every_line_is_json_and_a_call_is_one_with_all_that_identifies_it(
    tmp_path: Path,
) -> None:
    async with running_device() as device, open_running(tmp_path, device) as running:
        await running.rig.create()
        await running.rig.controller.controller_publish_volume(
            csi.ControllerPublishVolumeRequest(
                volume_id=device.slots[0], node_id="worker-1", volume_capability=mount()
            ),
            metadata={"x-call-id": "call-7"},
        )
        await running.end()

    (line,) = [line for line in running.of("rpc") if line["method"].endswith("PublishVolume")]
    assert line["call"] == "call-7"
    assert line["level"] == "info"
    assert (line["volume_id"], line["node_id"]) == (device.slots[0], "worker-1")
    assert line["code"] == "OK"
    assert line["ms"] > 0
    assert line["timestamp"].endswith("Z")


async def test_debugging_shows_the_commands_of_a_call_and_no_secret(tmp_path: Path) -> None:
    request = create_request(parameters={"auth": "dhchap"}, secrets={"nvmePassword": SECRET})
    async with (
        running_device() as device,
        open_running(tmp_path, device, "--log-level=debug") as running,
    ):
        await running.rig.controller.create_volume(request, metadata={"x-call-id": "call-7"})
        await running.end()

    commands = [line for line in running.of("device command") if line.get("call") == "call-7"]
    assert any("/disk/add" in line["line"] for line in commands)
    assert any(SECRET in line for line in device.lines), "the device has to be told"
    assert SECRET not in "".join(running.text)


async def test_at_info_no_command_is_shown(tmp_path: Path) -> None:
    async with running_device() as device, open_running(tmp_path, device) as running:
        await running.rig.create()
        await running.end()

    assert running.of("device command") == []
    assert len(running.of("rpc")) == 1


async def test_the_level_follows_the_settings_file_while_it_runs(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("log-level = 'info'\n")
    async with (
        running_device() as device,
        open_running(tmp_path, device, f"--config-file={settings}") as running,
    ):
        await running.rig.create()
        settings.write_text("log-level = 'debug'\n")

        async def is_told() -> bool:
            return bool(running.of("settings changed"))

        await eventually(is_told, "the change was noticed")
        await running.rig.delete(device.slots[0])
        await running.end()

    methods = [line["method"] for line in running.of("request")]
    assert "DeleteVolume" in methods
    assert "CreateVolume" not in methods


@contextlib.asynccontextmanager
async def traced(path: Path) -> AsyncIterator[tuple[Running, Collector]]:
    async with (
        running_device() as device,
        open_collector() as collector,
        open_running(path, device, f"--tracing-endpoint={collector.endpoint}") as running,
    ):
        yield running, collector


async def test_a_call_is_a_span_and_each_device_command_one_below_it(tmp_path: Path) -> None:
    async with traced(tmp_path) as (running, collector):
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        request = create_request(parameters={"auth": "dhchap"}, secrets={"nvmePassword": SECRET})
        await running.rig.controller.create_volume(request, metadata={"traceparent": parent})
        await running.end()

        (call,) = collector.named(CREATE)
        below = [span for span in collector.spans if span.parent_span_id == call.span_id]
        assert call.trace_id.hex() == parent[3:35]
        assert call.parent_span_id.hex() == parent[36:52]
        assert texts(call.attributes)["code"] == "OK"
        assert "device command" in {span.name for span in below}
        assert SECRET not in repr(collector.spans)
        assert collector.resources[0]["service.name"] == "rds-csi-controller"
