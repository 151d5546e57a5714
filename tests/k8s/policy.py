"""What must hold of every pod and every role that is shipped. Pure: objects in, problems out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

PRIVILEGED = {"rds-csi-node"}
"""Containers that are: docs/install.md has the reasons."""

ROOT = {"rds-csi-node", "node-driver-registrar", "liveness-probe"}
"""Containers that may be root, in the node plugin's pod: directories of the host are root's."""

UNLIMITED = {"rds-csi-node"}
"""Containers without a limit on memory: a check of a filesystem must not be killed half-way."""

NO_PROBE = {"snapshots", "liveness-probe"}
"""Containers without a liveness probe: one ends by itself, one is asked on behalf of another."""

_TAG = re.compile(r"v?\d+\.\d+\.\d+")


def pod_problems(name: str, template: Object) -> Iterator[str]:
    """Yield what is wrong with a pod template."""
    spec = template["spec"]
    security = spec.get("securityContext", {})
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield f"{name}: no seccomp profile"
    if "automountServiceAccountToken" not in spec or "serviceAccountName" not in spec:
        yield f"{name}: whether it has a token is left open"
    if name != "rds-csi-node":
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            yield f"{name}: it may run as root"
        for way in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(way):
                yield f"{name}: {way}"
        if any("hostPath" in volume for volume in spec.get("volumes", ())):
            yield f"{name}: a directory of the host"
    yield from _volume_problems(name, spec)
    for container in spec["containers"]:
        for problem in container_problems(container):
            yield f"{name}: {container['name']}: {problem}"


def _volume_problems(name: str, spec: Object) -> Iterator[str]:
    volumes = {volume["name"] for volume in spec.get("volumes", ())}
    mounted = {
        mount["name"] for item in spec["containers"] for mount in item.get("volumeMounts", ())
    }
    for volume in sorted(volumes ^ mounted):
        yield f"{name}: volume {volume} is only mounted, or only there"


def container_problems(container: Object) -> Iterator[str]:
    """Yield what is wrong with a container."""
    name, security = container["name"], container.get("securityContext", {})
    if not _TAG.fullmatch(container["image"].rpartition(":")[2]):
        yield "its image is not pinned"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "its root filesystem may be written to"
    if security.get("privileged") and name not in PRIVILEGED:
        yield "it is privileged"
    if not security.get("privileged"):
        if security.get("allowPrivilegeEscalation") is not False:
            yield "it may gain privileges"
        if security.get("capabilities") != {"drop": ["ALL"]}:
            yield "it has capabilities"
    if security.get("runAsUser") == 0 and name not in ROOT:
        yield "it is root"
    yield from _resource_problems(container)
    if "livenessProbe" not in container and name not in NO_PROBE:
        yield "nobody asks whether it lives"
    yield from _port_problems(container)


def _resource_problems(container: Object) -> Iterator[str]:
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})):
        yield "it does not say what it needs"
    limits = resources.get("limits", {})
    if "cpu" in limits:
        yield "a limit on CPU makes calls wait"
    if ("memory" in limits) == (container["name"] in UNLIMITED):
        yield "its limit on memory is not as it should be"


def _port_problems(container: Object) -> Iterator[str]:
    named = {port["name"] for port in container.get("ports", ())}
    for name in named:
        if len(name) > 15:  # RFC 6335, and what the API server takes
            yield f"the name of port {name} is too long"
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.get(kind, {}).get("httpGet", {})
        if isinstance(probe.get("port"), str) and probe["port"] not in named:
            yield f"{kind} asks at a port that it does not have"


def role_problems(role: Object) -> Iterator[str]:
    """Yield what is wrong with a Role or ClusterRole."""
    name = role["metadata"]["name"]
    for rule in role["rules"]:
        for part in ("apiGroups", "resources", "verbs"):
            if "*" in rule[part]:
                yield f"{name}: everything, in {part}"
        if "secrets" in rule["resources"] and not rule.get("resourceNames"):
            yield f"{name}: all Secrets"
        if "secrets" in rule["resources"] and role["kind"] == "ClusterRole":
            yield f"{name}: Secrets of all namespaces"
        for verb in ("escalate", "bind", "impersonate", "deletecollection"):
            if verb in rule["verbs"]:
                yield f"{name}: {verb}"
