"""This project's own controller as the plugin under test: the only file that knows the project."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

from libs.core.paths import DevicePath
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from tests.component.controller.rig import open_rig
from tests.conformance.options import Options

VOLUMES = "/btr/volumes"
OTHER_VOLUMES = "/raid10/volumes"
MUTABLE = {"keepAliveTmo": "30"}
NODES = ("conformance-a", "conformance-b")


@contextlib.asynccontextmanager
async def open_own(path: Path, options: Options) -> AsyncIterator[Options]:
    """Start the assembled controller beside a simulated device, and say how to test it."""
    device = Device(pools=[Pool("raid10", 2**40), Pool("btr", 2**40, "btrfs")])
    changes = {
        "volume_base_paths": (DevicePath.parse(VOLUMES), DevicePath.parse(OTHER_VOLUMES)),
        "known_nodes": tuple((node, f"nqn.2014-08.org.nvmexpress:{node}") for node in NODES),
    }
    async with open_rig(path, device, **changes) as rig:
        yield dataclasses.replace(
            options,
            endpoint=rig.settings.csi_endpoint,
            node_id=options.node_id or NODES[0],
            second_node_id=options.second_node_id or NODES[1],
            mutable_parameters=options.mutable_parameters or MUTABLE,
            other_parameters=options.other_parameters or {"volumePath": OTHER_VOLUMES},
        )
