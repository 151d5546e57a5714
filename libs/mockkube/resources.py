"""The kinds of objects that are served, and how paths name them. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

CUSTOM_RESOURCES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects.

    Attributes:
        group: the API group; empty for the core.
        version: the version of the group.
        plural: its name in paths.
        kind: its name in objects.
        namespaced: whether its objects are in namespaces.
        has_status: whether the status is a subresource, which other requests leave alone.
        needs_version: whether an update has to say which version it is of.
        is_upserted: whether an update of what is not there makes it.
        is_custom: whether a CustomResourceDefinition brought it.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    has_status: bool = False
    needs_version: bool = False
    is_upserted: bool = False
    is_custom: bool = False

    @property
    def api_version(self) -> str:
        """What its objects have as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base(self) -> str:
        """The path below which its group's version is."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    @property
    def full_name(self) -> str:
        """Its plural with the group, as messages have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """Its kind with the group, as messages about invalid fields have it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def collection(self, namespace: str = "") -> str:
        """Return the path of its objects, in a namespace or of the cluster."""
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.base}{place}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a collection, an object, or a part of an object.

    Attributes:
        resource: of which kind.
        namespace: empty for objects of the cluster, and for those of all namespaces.
        name: of the object; empty for a collection.
        part: such as `status`; empty for the object itself.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    part: str = ""

    @property
    def collection(self) -> str:
        """The path of the collection."""
        return self.resource.collection(self.namespace)

    def holds(self, collection: str) -> bool:
        """Whether the objects of a collection belong to this one."""
        if self.namespace or not self.resource.namespaced:
            return collection == self.collection
        base, plural = f"{self.resource.base}/namespaces/", f"/{self.resource.plural}"
        return collection.startswith(base) and collection.endswith(plural)


_STORAGE = "storage.k8s.io"

BUILT_IN = (
    Resource("", "v1", "configmaps", "ConfigMap", namespaced=True),
    Resource("", "v1", "events", "Event", namespaced=True, is_upserted=True),
    Resource("", "v1", "namespaces", "Namespace", has_status=True),
    Resource("", "v1", "nodes", "Node", has_status=True),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", has_status=True),
    Resource(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        namespaced=True,
        has_status=True,
    ),
    Resource("", "v1", "pods", "Pod", namespaced=True, has_status=True),
    Resource("", "v1", "secrets", "Secret", namespaced=True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True),
    Resource("events.k8s.io", "v1", "events", "Event", namespaced=True, is_upserted=True),
    Resource(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        namespaced=True,
        needs_version=True,
        is_upserted=True,
    ),
    Resource(_STORAGE, "v1", "csidrivers", "CSIDriver", needs_version=True),
    Resource(_STORAGE, "v1", "csinodes", "CSINode", needs_version=True),
    Resource(_STORAGE, "v1", "storageclasses", "StorageClass"),
    Resource(
        _STORAGE, "v1", "volumeattachments", "VolumeAttachment", has_status=True, needs_version=True
    ),
    Resource(_STORAGE, "v1beta1", "volumeattributesclasses", "VolumeAttributesClass"),
    Resource(_STORAGE, "v1", "volumeattributesclasses", "VolumeAttributesClass"),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        has_status=True,
        needs_version=True,
    ),
)

NAMESPACE = next(resource for resource in BUILT_IN if resource.kind == "Namespace")

_PATH = re.compile(
    r"(?P<base>/api/v1|/apis/[a-z0-9.-]+/[a-z0-9]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z0-9]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[a-z]+))?)?"
)
_NAMESPACE_PART = re.compile(r"/api/v1/namespaces/(?P<name>[^/]+)/(?P<part>status|finalize)")


def parse_path(path: str, served: Iterable[Resource]) -> Target | None:
    """Read the path of a request; None where nothing of the kind is served."""
    if match := _NAMESPACE_PART.fullmatch(path):
        return Target(NAMESPACE, "", match["name"], match["part"])
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    for resource in served:
        if (resource.base, resource.plural) != (match["base"], match["plural"]):
            continue
        namespace = match["namespace"] or ""
        is_misplaced = bool(namespace) and not resource.namespaced
        is_nowhere = resource.namespaced and not namespace and match["name"]
        if is_misplaced or is_nowhere or match["part"] not in (None, *_parts(resource)):
            return None
        return Target(resource, namespace, match["name"] or "", match["part"] or "")
    return None


def _parts(resource: Resource) -> tuple[str, ...]:
    return ("status",) if resource.has_status else ()


def custom_resources(definitions: Iterable[Mapping[str, Any]]) -> tuple[Resource, ...]:
    """Return what CustomResourceDefinitions define."""
    return tuple(
        Resource(
            group=spec["group"],
            version=version["name"],
            plural=spec["names"]["plural"],
            kind=spec["names"]["kind"],
            namespaced=spec.get("scope") == "Namespaced",
            has_status="status" in (version.get("subresources") or {}),
            needs_version=True,
            is_custom=True,
        )
        for spec in (definition["spec"] for definition in definitions)
        for version in spec["versions"]
        if version.get("served", True)
    )
