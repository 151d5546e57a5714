"""Which tests apply: only what the plugin advertises, and what the options make possible."""

import enum
from collections.abc import Iterable

import pytest

from protos.gen.csi import v1 as csi

Rpc = csi.ControllerServiceCapabilityRpcType
NodeRpc = csi.NodeServiceCapabilityRpcType
GroupRpc = csi.GroupControllerServiceCapabilityRpcType
Service = csi.PluginCapabilityServiceType
Expansion = csi.PluginCapabilityVolumeExpansionType


class Given(enum.StrEnum):
    """Options without which some tests cannot be run."""

    NODE_ENDPOINT = "--csi-node-endpoint"
    NODE_ID = "--csi-node-id"
    SECOND_NODE_ID = "--csi-second-node-id"
    OTHER_PARAMETERS = "--csi-other-parameters"
    MUTABLE_PARAMETERS = "--csi-mutable-parameters"


Need = Rpc | NodeRpc | GroupRpc | Service | Expansion | Given

_KINDS: dict[type, str] = {
    Rpc: "controller capability",
    NodeRpc: "node capability",
    GroupRpc: "group controller capability",
    Service: "plugin capability",
    Expansion: "volume expansion capability",
    Given: "option",
}


def label(need: Need) -> str:
    """Return the need as a person reads it; numbers of different kinds are never mixed up."""
    name = need.value if isinstance(need, Given) else need.name
    return f"{_KINDS[type(need)]} {name}"


def needs(*what: Need) -> pytest.MarkDecorator:
    """Skip the test unless the plugin advertises, and the options give, all of these."""
    return pytest.mark.needs(*what)


def missing(wanted: Iterable[Need], there: Iterable[str]) -> str:
    """Return why a test does not apply; empty where it does."""
    there = set(there)
    lacking = [need for need in wanted if label(need) not in there]
    return ", ".join(
        f"{label(need)} is not {'given' if isinstance(need, Given) else 'advertised'}"
        for need in lacking
    )
