"""grpc-go, which every sidecar is built on, against the assembled controller."""

import asyncio
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from libs.mockrds.faults import Action, Fault
from tests.component.controller.rig import open_rig

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = Path("/usr/share/gocode")
LIMIT = 300
KNOWN = [
    f"Mgoogle/protobuf/{name}.proto=github.com/golang/protobuf/{package}"
    for name, package in {
        "descriptor": "protoc-gen-go/descriptor",
        "timestamp": "ptypes/timestamp",
        "wrappers": "ptypes/wrappers",
    }.items()
]
"""Where Debian's protobuf for Go keeps the well-known types; newer ones have moved."""

MISSING = [
    what
    for what, there in {
        "go": shutil.which("go"),
        "protoc-gen-go": shutil.which("protoc-gen-go"),
        "the sources of grpc-go": (SOURCES / "src/google.golang.org/grpc").is_dir(),
        "grpcio-tools": importlib.util.find_spec("grpc_tools"),
    }.items()
    if not there
]

pytestmark = [
    pytest.mark.go,
    pytest.mark.timeout(LIMIT + 30),
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("RDS_CSI_REQUIRE_GO"),
        reason=f"needs {', '.join(MISSING)}: apt-get install golang-go golang-goprotobuf-dev "
        "golang-google-grpc-dev",
    ),
]


async def call(*command: str, **environ: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT):
        out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    return text


async def build(directory: Path) -> Path:
    stubs = directory / "src" / "csi"
    stubs.mkdir(parents=True)
    await call(
        *(sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}/protos/csi/v1"),
        f"--go_out=plugins=grpc,import_path=csi,{','.join(KNOWN)}:{stubs}",
        "csi.proto",
    )
    binary = directory / "client"
    await call(
        *("go", "build", "-o", str(binary), str(HERE / "go" / "main.go")),
        GOPATH=f"{directory}:{SOURCES}",
        GO111MODULE="off",
        GOCACHE=str(directory / "cache"),
        CGO_ENABLED="0",
    )
    return binary


async def test_a_go_client_is_served_as_the_sidecars_expect(tmp_path: Path) -> None:
    binary = await build(tmp_path / "go")
    async with open_rig(tmp_path) as rig:
        rig.device.faults.add(Fault(Action.DELAY, r'add .*slot="vol-go-slow"', amount=1))
        rig.device.faults.add(Fault(Action.DELAY, r'add .*slot="vol-go-cancelled', amount=1))

        printed = await call(str(binary), rig.settings.csi_endpoint)

        assert printed.count("ok ") == 12, printed
        assert "vol-go-1" in rig.device.slots
