"""The stand-in for the API server, with snapshots and with accounts that are as shipped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.mockkube.accounts import Account, Rule, parse_rules
from libs.mockkube.resources import Target
from libs.mockkube.testing import ApiServer
from tests.k8s.render import Key, Object

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "snapshot.storage.k8s.io"

Asked = tuple[str, str, str]
"""API group, resource and verb."""


async def serve_snapshots(api: ApiServer) -> None:
    """Have it know snapshots and their contents, as where the snapshot controller is installed."""
    await api.put(DEFINITIONS, _definition("volumesnapshots", "VolumeSnapshot", "Namespaced"))
    await api.put(DEFINITIONS, _definition("volumesnapshotcontents", "VolumeSnapshotContent"))


def _definition(plural: str, kind: str, scope: str = "Cluster") -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": plural, "kind": kind}
    spec = {"group": GROUP, "scope": scope, "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}


@dataclass(frozen=True)
class Recorder(Account):
    """An account that notes what it is used for."""

    asked: set[Asked] = field(default_factory=set)

    def check(self, verb: str, target: Target) -> None:
        part = f"/{target.part}" if target.part else ""
        self.asked.add((target.resource.group, target.resource.plural + part, verb))
        Account.check(self, verb, target)


def granted(rules: tuple[Rule, ...]) -> set[Asked]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
    }


def rules_of(found: Mapping[Key, Object], name: str, namespace: str) -> tuple[Rule, ...]:
    """Return what the ClusterRole and the Role of that name allow."""
    roles: list[tuple[Any, str]] = [(found["ClusterRole", name], "")]
    if ("Role", name) in found:
        roles.append((found["Role", name], namespace))
    return tuple(rule for role, place in roles for rule in parse_rules(role["rules"], place))
