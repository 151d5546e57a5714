"""The plugin under test: its stubs, and what it says that it can do."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from grpclib.client import Channel

from protos.gen.csi import v1 as csi
from tests.conformance.needs import Given, Need, Service, label
from tests.conformance.options import Options


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Stubs of every service, and what is advertised.

    Attributes:
        there: the labels of the capabilities that are advertised and the options that are given.
        node_id: the node to publish to; empty where nobody says which.
        topology: where that node is; empty where topology does not matter.
        state_dir: where staging and target paths go.
    """

    options: Options
    identity: csi.IdentityStub
    controller: csi.ControllerStub
    groups: csi.GroupControllerStub
    node: csi.NodeStub | None
    node_identity: csi.IdentityStub | None
    there: frozenset[str]
    node_id: str
    topology: csi.Topology | None
    state_dir: Path

    def has(self, need: Need) -> bool:
        """Say whether something is advertised or given."""
        return label(need) in self.there

    @property
    def node_stub(self) -> csi.NodeStub:
        """The node's stub, for tests that need it."""
        if self.node is None:
            pytest.skip(f"{label(Given.NODE_ENDPOINT)} is not given")
        return self.node


def connect(stack: contextlib.ExitStack, endpoint: str) -> Channel:
    """Return a channel to `unix:///path`, `unix:path`, a bare path, or `tcp://host:port`."""
    if endpoint.startswith("tcp://"):
        address = urlsplit(endpoint)
        channel = Channel(host=address.hostname, port=address.port)
    else:
        channel = Channel(path=endpoint.removeprefix("unix:").replace("///", "/", 1))
    stack.callback(channel.close)
    return channel


@contextlib.asynccontextmanager
async def open_plugin(options: Options, scratch: Path) -> AsyncIterator[Plugin]:
    """Connect, and ask for the capabilities."""
    seconds = options.call_seconds
    with contextlib.ExitStack() as stack:
        channel = connect(stack, options.endpoint)
        node, node_identity = None, None
        if options.node_endpoint:
            to_node = connect(stack, options.node_endpoint)
            node = csi.NodeStub(to_node, timeout=seconds)
            node_identity = csi.IdentityStub(to_node, timeout=seconds)
        identity = csi.IdentityStub(channel, timeout=seconds)
        controller = csi.ControllerStub(channel, timeout=seconds)
        groups = csi.GroupControllerStub(channel, timeout=seconds)
        there = await _plugin_capabilities(identity)
        if label(Service.CONTROLLER_SERVICE) in there:
            there |= await _controller_capabilities(controller)
        if label(Service.GROUP_CONTROLLER_SERVICE) in there:
            there |= await _group_capabilities(groups)
        info = csi.NodeGetInfoResponse(node_id="")
        if node is not None:
            there |= await _node_capabilities(node)
            info = await node.node_get_info(csi.NodeGetInfoRequest())
        node_id = options.node_id or info.node_id
        topology = info.accessible_topology
        if label(Service.VOLUME_ACCESSIBILITY_CONSTRAINTS) not in there:
            topology = None
        yield Plugin(
            options=options,
            identity=identity,
            controller=controller,
            groups=groups,
            node=node,
            node_identity=node_identity,
            there=frozenset(there | _given(options, node_id)),
            node_id=node_id,
            topology=topology,
            state_dir=options.state_dir or scratch,
        )


def _given(options: Options, node_id: str) -> set[str]:
    values: dict[Given, object] = {
        Given.NODE_ENDPOINT: options.node_endpoint,
        Given.NODE_ID: node_id,
        Given.SECOND_NODE_ID: options.second_node_id,
        Given.OTHER_PARAMETERS: options.other_parameters,
        Given.MUTABLE_PARAMETERS: options.mutable_parameters,
    }
    return {label(option) for option, value in values.items() if value}


async def _plugin_capabilities(identity: csi.IdentityStub) -> set[str]:
    answer = await identity.get_plugin_capabilities(csi.GetPluginCapabilitiesRequest())
    services = [c.service.type for c in answer.capabilities if c.service is not None]
    growth = [c.volume_expansion.type for c in answer.capabilities if c.volume_expansion]
    return {label(kind) for kind in services} | {label(kind) for kind in growth}


async def _controller_capabilities(controller: csi.ControllerStub) -> set[str]:
    answer = await controller.controller_get_capabilities(csi.ControllerGetCapabilitiesRequest())
    return {label(c.rpc.type) for c in answer.capabilities if c.rpc is not None}


async def _group_capabilities(groups: csi.GroupControllerStub) -> set[str]:
    answer = await groups.group_controller_get_capabilities(
        csi.GroupControllerGetCapabilitiesRequest()
    )
    return {label(c.rpc.type) for c in answer.capabilities if c.rpc is not None}


async def _node_capabilities(node: csi.NodeStub) -> set[str]:
    answer = await node.node_get_capabilities(csi.NodeGetCapabilitiesRequest())
    return {label(c.rpc.type) for c in answer.capabilities if c.rpc is not None}
