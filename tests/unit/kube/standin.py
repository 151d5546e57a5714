"""Objects and kinds that the tests of the stand-in for the API server share."""

from typing import Any

from libs.mockkube.objects import prepare
from libs.mockkube.resources import BUILT_IN, Resource, Target

Object = dict[str, Any]
OF_KIND = {resource.kind: resource for resource in BUILT_IN if resource.group != "events.k8s.io"}
SET = Resource(
    "example.org", "v1", "things", "Thing", namespaced=True, needs_version=True, is_custom=True
)
NOW = "2026-01-01T00:00:00Z"

CSI = {"driver": "d", "volumeHandle": "h"}
VOLUME = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": CSI}
ATTACHMENT = {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}


def target(kind: str, namespace: str = "", **fields: str) -> Target:
    return Target(OF_KIND[kind], namespace, **fields)


def named(name: str = "a", **fields: Any) -> Object:
    return {"metadata": {"name": name}, **fields}


def made(kind: str, item: Object, namespace: str = "") -> Object:
    return prepare(target(kind, namespace), item, "uid-12345", NOW)


def stored(kind: str = "PersistentVolume", **metadata: Any) -> Object:
    item = made(kind, named(spec=VOLUME))
    return item | {"metadata": item["metadata"] | {"resourceVersion": "7"} | metadata}
