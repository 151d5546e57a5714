"""Stand-ins: `python -m tests.e2e.sidecars --csi-address=... --kubeconfig=... NAME...`."""

import argparse
import asyncio
from pathlib import Path

from grpclib.client import Channel

from libs.kube.client import open_kube
from libs.ops.logs import configure_logging
from protos.gen.csi import v1 as csi
from tests.e2e.sidecars.attacher import Attacher
from tests.e2e.sidecars.provisioner import Provisioner
from tests.e2e.sidecars.resizer import Resizer
from tests.e2e.sidecars.serving import Sidecar, serve
from tests.e2e.sidecars.snapshotter import SnapshotController, Snapshotter

_KINDS: dict[str, type[Sidecar]] = {
    "provisioner": Provisioner,
    "attacher": Attacher,
    "resizer": Resizer,
    "snapshotter": Snapshotter,
    "snapshot-controller": SnapshotController,
}
_DEADLINE = 30.0
"""Seconds for a call; it is made again after that."""


async def run(address: Path, kubeconfig: Path, names: list[str]) -> None:
    """Run stand-ins until the process is ended."""
    channel = Channel(path=str(address))
    try:
        async with open_kube(kubeconfig) as kube, asyncio.TaskGroup() as group:
            stub = csi.ControllerStub(channel, timeout=_DEADLINE)
            for name in names:
                group.create_task(serve(_KINDS[name](kube, stub)))
    finally:
        channel.close()


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.sidecars", description=__doc__)
    parser.add_argument("--csi-address", type=Path, required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("names", nargs="+", choices=_KINDS)
    options = parser.parse_args()
    configure_logging("info", "json")
    asyncio.run(run(options.csi_address, options.kubeconfig, options.names))


if __name__ == "__main__":
    main()
