"""This project's own services as the plugin under test: the only file that knows the project."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

from libs.core.ids import NodeId
from libs.core.paths import DevicePath
from libs.mockrds.dataplane import SparseFiles
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from services.node.app import open_node
from tests.component.controller.rig import open_rig
from tests.component.node import rig as node_rig
from tests.component.node.hosts import clean_host, in_memory
from tests.conformance.options import Options

VOLUMES = "/btr/volumes"
OTHER_VOLUMES = "/raid10/volumes"
MUTABLE = {"keepAliveTmo": "30"}
NODES = ("conformance-a", "conformance-b")


@contextlib.asynccontextmanager
async def open_own(path: Path, options: Options) -> AsyncIterator[Options]:
    """Start the assembled services beside a simulated device, and say how to test them.

    The node plugin reaches the simulated device's files as loop devices; it is left out where
    nothing can be mounted.
    """
    data = path / "node" / "images"
    device = Device(
        pools=[Pool("raid10", 2**40), Pool("btr", 2**40, "btrfs")], plane=SparseFiles(data)
    )
    changes = {
        "volume_base_paths": (DevicePath.parse(VOLUMES), DevicePath.parse(OTHER_VOLUMES)),
        "known_nodes": tuple((node, f"nqn.2014-08.org.nvmexpress:{node}") for node in NODES),
    }
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(in_memory(path / "node"))
        stack.enter_context(clean_host(path / "node"))
        data.mkdir()
        rig = await stack.enter_async_context(open_rig(path, device, **changes))
        options = dataclasses.replace(
            options,
            endpoint=rig.settings.csi_endpoint,
            node_id=options.node_id or NODES[0],
            second_node_id=options.second_node_id or NODES[1],
            mutable_parameters=options.mutable_parameters or MUTABLE,
            other_parameters=options.other_parameters or {"volumePath": OTHER_VOLUMES},
        )
        if not node_rig.why_not():
            options = await _with_node(stack, path / "node", options)
        yield options


async def _with_node(stack: contextlib.AsyncExitStack, path: Path, options: Options) -> Options:
    settings = node_rig.settings_for(path, node_id=NodeId(options.node_id))
    kubelet = Path(settings.kubelet_directory)
    await stack.enter_async_context(open_node(settings))
    return dataclasses.replace(
        options,
        node_endpoint=settings.csi_endpoint,
        state_dir=options.state_dir or kubelet,
        fs_type=options.fs_type or ("" if node_rig.may_grow_ext4() else "xfs"),
    )
