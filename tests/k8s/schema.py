"""The schema of the chart's values, from the services' settings.

`python -m tests.k8s.schema` writes it; a test says when that is due.
"""

import dataclasses
import json
from typing import Any

from tests.k8s.render import K8S
from tests.k8s.services import SETTINGS

FILE = K8S / "chart" / "values.schema.json"

FIXED = {
    "controller": {
        "csi-endpoint",
        "admin-endpoint",
        "admin-tls-cert",
        "admin-tls-key",
        "admin-tls-ca",
        "admin-allowed-clients",
        "metrics-address",
    },
    "node": {"csi-endpoint", "node-id", "metrics-address"},
    "reconciler": {
        "controller-endpoint",
        "controller-tls-cert",
        "controller-tls-key",
        "controller-tls-ca",
        "admin-endpoint",
        "admin-tls-cert",
        "admin-tls-key",
        "admin-tls-ca",
        "admin-allowed-clients",
        "metrics-address",
    },
}
"""What the manifests give as flags."""

ELSEWHERE = {"log-level", "log-format"}
"""What is in the ConfigMap rds-csi-live; the environment would come before it."""

NOT_HERE = {"driver-name", "kubeconfig", "kubelet-directory", "state-directory"}
"""What the manifests rest on: it stands in RBAC, CSIDriver and paths, too."""

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_PATH: Schema = {"type": "string", "pattern": "^(/[^/]+)+$"}
_SWITCH: Schema = {"type": "boolean"}
_ITEMS: Schema = {"type": "array", "items": {"type": "object"}}
_ANY: Schema = {"type": "object"}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_REPLICAS: Schema = {"type": "integer", "minimum": 1}


def settable(service: str) -> list[str]:
    """Return the settings that the chart's values can have."""
    names = {field.name.replace("_", "-") for field in dataclasses.fields(SETTINGS[service])}
    return sorted(names - FIXED[service] - ELSEWHERE - NOT_HERE)


def closed(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object that has nothing but these."""
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return schema | ({"required": list(required)} if required else {})


def service(name: str) -> Schema:
    parts = {
        "settings": closed(**dict.fromkeys(settable(name), _SCALAR)),
        "resources": _ANY,
        "nodeSelector": _ANY,
        "affinity": _ANY,
        "tolerations": _ITEMS,
    }
    own = {"kubeletDirectory": _PATH} if name == "node" else {"replicas": _REPLICAS}
    return closed(**parts, **own)


def classes(*names: str) -> Schema:
    parts = {"name": _NAME, "default": _SWITCH, **dict.fromkeys(names, _TEXT)}
    parts["parameters"] = {"type": "object", "additionalProperties": _SCALAR}
    if "reclaimPolicy" in names:
        parts["reclaimPolicy"] = {"enum": ["Delete", "Retain"]}
        parts["volumeBindingMode"] = {"enum": ["Immediate", "WaitForFirstConsumer"]}
        parts["mountOptions"] = {"type": "array", "items": _TEXT}
    return {"type": "array", "items": closed(("name",), **parts)}


def sidecars() -> Schema:
    one = closed(("image", "tag"), image=_NAME, tag=_NAME, resources=_ANY)
    names = ("provisioner", "attacher", "resizer", "snapshotter", "healthMonitor")
    every = (*names, "livenessProbe", "nodeDriverRegistrar")
    return closed(registry=_NAME, **dict.fromkeys(every, one))


def schedules() -> Schema:
    one = closed(
        ("name", "schedule", "keep", "snapshotClass"),
        name={"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$"},
        schedule=_NAME,
        keep={"type": "integer", "minimum": 1},
        snapshotClass=_NAME,
    )
    return {"type": "array", "items": one}


def device_is_named() -> Schema:
    """Return the rule that there is a device, or a file with several."""
    needed = ["rds-address", "nvme-address", "volume-base-paths"]
    one = {"properties": {"controller": {"properties": {"settings": {"required": needed}}}}}
    several = {
        "properties": {
            "devices": {"minItems": 1},
            "controller": {"properties": {"settings": {"required": ["rds-devices-file"]}}},
        }
    }
    return {"anyOf": [one, several]}


def build() -> Schema:
    """Return the whole schema."""
    properties = closed(
        image=closed(registry=_TEXT, tag=_TEXT, pullSecrets=_ITEMS),
        namespace=closed(create=_SWITCH),
        log=closed(
            level={"enum": ["debug", "info", "warning", "error"]},
            format={"enum": ["json", "console"]},
        ),
        controller=service("controller"),
        devices=_ITEMS,
        node=service("node"),
        reconciler=service("reconciler"),
        spread={"enum": ["none", "soft", "hard"]},
        podDisruptionBudget=closed(enabled=_SWITCH, minAvailable=_REPLICAS),
        certManager=closed(enabled=_SWITCH),
        openshift=closed(enabled=_SWITCH),
        dhchap=closed(secrets={"type": "array", "items": _NAME}),
        snapshots=closed(enabled=_SWITCH, schedules=schedules(), resources=_ANY),
        storageClasses=classes("reclaimPolicy", "volumeBindingMode"),
        volumeSnapshotClasses=classes("deletionPolicy"),
        volumeAttributesClasses=classes(),
        sidecars=sidecars(),
        # Helm gives these to every chart that is a part of another one.
        **{"global": _ANY},
    )
    return {
        "$schema": "https://json-schema.org/draft-07/schema#",
        **properties,
        **device_is_named(),
    }


def render() -> str:
    return json.dumps(build(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
