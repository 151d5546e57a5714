import re

import pytest

from protos.gen.csi import v1 as csi
from tests.conformance.calls import wait_until
from tests.conformance.lab import Lab
from tests.conformance.limits import map_bytes, text_bytes
from tests.conformance.needs import Expansion, Given, NodeRpc, Rpc, Service, label
from tests.conformance.plugin import Plugin

# A domain name's labels may have dashes inside; the ends are letters or digits.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


@pytest.fixture(params=["controller", "node"])
def identity(request: pytest.FixtureRequest, plugin: Plugin) -> csi.IdentityStub:
    if request.param == "controller":
        return plugin.identity
    if plugin.node_identity is None:
        pytest.skip(f"{label(Given.NODE_ENDPOINT)} is not given")
    return plugin.node_identity


async def info_of(identity: csi.IdentityStub) -> csi.GetPluginInfoResponse:
    return await identity.get_plugin_info(csi.GetPluginInfoRequest())


async def capabilities_of(identity: csi.IdentityStub) -> list[csi.PluginCapability]:
    answer = await identity.get_plugin_capabilities(csi.GetPluginCapabilitiesRequest())
    return answer.capabilities


async def test_the_name_of_the_plugin_is_a_domain_name_of_at_most_63_characters(
    identity: csi.IdentityStub,
) -> None:
    info = await info_of(identity)

    assert NAME.fullmatch(info.name)


async def test_the_plugin_says_its_version(identity: csi.IdentityStub) -> None:
    info = await info_of(identity)

    assert 0 < text_bytes(info.vendor_version) <= 128


async def test_the_manifest_stays_below_the_limit_of_a_map(identity: csi.IdentityStub) -> None:
    info = await info_of(identity)

    assert map_bytes(info.manifest) <= 4096


async def test_the_plugin_says_the_same_of_itself_each_time(identity: csi.IdentityStub) -> None:
    first = await info_of(identity)

    second = await info_of(identity)

    assert first == second


async def test_every_plugin_capability_says_what_it_is(identity: csi.IdentityStub) -> None:
    capabilities = await capabilities_of(identity)

    for capability in capabilities:
        service, growth = capability.service, capability.volume_expansion
        assert (service is None) != (growth is None)
        assert service is None or service.type is not Service.UNKNOWN
        assert growth is None or growth.type is not Expansion.UNKNOWN


async def test_a_probe_says_in_time_that_the_plugin_is_ready(
    identity: csi.IdentityStub, lab: Lab
) -> None:
    async def probe() -> bool | None:
        return (await identity.probe(csi.ProbeRequest())).ready

    # An answer that leaves the field out means ready; false means that it is still starting.
    ready = await wait_until(
        probe, lambda ready: ready is not False, lab.options.ready_seconds, "the plugin is ready"
    )

    assert ready in {None, True}


async def test_a_plugin_whose_volumes_grow_has_a_call_that_grows_them(plugin: Plugin) -> None:
    if not (plugin.has(Expansion.ONLINE) or plugin.has(Expansion.OFFLINE)):
        pytest.skip(f"neither {label(Expansion.ONLINE)} nor OFFLINE is advertised")
    if plugin.node is None and not plugin.has(Rpc.EXPAND_VOLUME):
        pytest.skip(f"{label(Given.NODE_ENDPOINT)} is not given")

    grows = [plugin.has(Rpc.EXPAND_VOLUME), plugin.has(NodeRpc.EXPAND_VOLUME)]

    assert any(grows)
