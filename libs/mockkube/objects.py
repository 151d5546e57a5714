"""What happens to objects on their way into the store: defaults, and rules that refuse. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from libs.mockkube.errors import Failure, bad_request, conflict, forbidden, invalid
from libs.mockkube.resources import Target

Object = dict[str, Any]

_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
_QUALIFIED = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", re.ASCII)
_SERVER_SETS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_FIXED_SPECS = {"VolumeAttachment": ("spec",), "PersistentVolume": ("spec.csi",)}
_STATUS_AT_BIRTH = ("Node", "Namespace")
"""Kinds of which the status counts at their creation: a kubelet registers its node with one."""

_FIRST_STATUS: Mapping[str, Object] = {
    "Namespace": {"phase": "Active"},
    "PersistentVolume": {"phase": "Pending"},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "Pod": {"phase": "Pending"},
    "VolumeAttachment": {"attached": False},
}


def check_type(target: Target, item: Object) -> None:
    """Refuse an object of another kind, or for another place, than the path says."""
    resource = target.resource
    given = (item.get("apiVersion"), item.get("kind"))
    wanted = (resource.api_version, resource.kind)
    if any(one not in (None, "", other) for one, other in zip(given, wanted, strict=True)):
        raise bad_request(f"{given[0]} {given[1]} is not {resource.qualified_kind}")
    if resource.is_custom and not all(given):
        raise bad_request("apiVersion and kind must be set")
    metadata = item.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if (metadata.get("namespace") or target.namespace) != target.namespace:
        raise bad_request("the namespace of the object is not the one of the request")


def prepare(target: Target, item: Object, uid: str, now: str) -> Object:
    """Return an object as it is stored at its creation.

    Args:
        target: its collection.
        item: what was sent.
        uid: what to tell it by from others of the same name; also makes names that are generated.
        now: the time (RFC 3339).
    """
    check_type(target, item)
    resource, given = target.resource, dict(item["metadata"])
    if given.pop("resourceVersion", ""):
        raise bad_request("resourceVersion should not be set on objects to be created")
    name = given.get("name")
    if not name and given.get("generateName"):
        name = given["generateName"] + uid[-5:]
    if not name:
        raise invalid(resource, "", "metadata.name", "Required value: a name or generateName")
    metadata = {key: value for key, value in given.items() if key not in _SERVER_SETS}
    place = {"namespace": target.namespace} if target.namespace else {}
    metadata |= {"name": name, **place, "uid": uid, "creationTimestamp": now}
    if resource.is_custom:
        metadata["generation"] = 1
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    made: Object = {**kind, **item, **kind, "metadata": metadata}
    if resource.has_status and (resource.is_custom or resource.kind not in _STATUS_AT_BIRTH):
        made.pop("status", None)
    if not resource.is_custom and resource.kind in _FIRST_STATUS:
        made["status"] = {**_FIRST_STATUS[resource.kind], **(made.get("status") or {})}
    _check_metadata(target, made)
    _check_kind(target, made)
    return made


def renew(target: Target, old: Object, new: Object) -> Object:
    """Return an object as it is stored after an update of it or of its status."""
    check_type(target, new)
    resource, name, was = target.resource, old["metadata"]["name"], old["metadata"]
    metadata = new["metadata"]
    if metadata.get("name") != name:
        raise bad_request("the name of the object is not the one of the request")
    _check_version(target, was, metadata)
    kept = {key: was[key] for key in (*_SERVER_SETS, "namespace") if key in was}
    drop = ("resourceVersion", *_SERVER_SETS)
    metadata = {key: value for key, value in metadata.items() if key not in drop} | kept
    made = {**new, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    if resource.has_status:
        made = _split(old, made, to_status=target.part == "status")
    _check_fixed(target, old, made)
    if was.get("deletionTimestamp") and _finalizers(made) - _finalizers(old):
        why = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise invalid(resource, name, "metadata.finalizers", why)
    _check_metadata(target, made)
    _check_kind(target, made)
    return made


def _check_version(target: Target, was: Object, metadata: Object) -> None:
    resource, name = target.resource, was["name"]
    version = metadata.get("resourceVersion")
    if metadata.get("uid") not in (None, "", was["uid"]):
        raise conflict(resource, name, "Precondition failed: it has another UID")
    if not version and resource.needs_version:
        why = "Invalid value: 0x0: must be specified for an update"
        raise invalid(resource, name, "metadata.resourceVersion", why)
    if version and version != was["resourceVersion"]:
        raise conflict(resource, name)


def _split(old: Object, new: Object, *, to_status: bool) -> Object:
    """Take the status from one side, and all else from the other."""
    rest, status = (old, new) if to_status else (new, old)
    made = {key: value for key, value in rest.items() if key != "status"}
    return made | {key: value for key, value in status.items() if key == "status"}


def _check_fixed(target: Target, old: Object, new: Object) -> None:
    for path in _FIXED_SPECS.get(target.resource.kind, ()):
        one, other = old, new
        for part in path.split("."):
            one, other = one.get(part) or {}, other.get(part) or {}
        if one != other:
            name = old["metadata"]["name"]
            raise invalid(target.resource, name, path, "Invalid value: field is immutable")


def _finalizers(item: Object) -> set[str]:
    return set(item["metadata"].get("finalizers") or ())


def _check_metadata(target: Target, item: Object) -> None:
    resource, metadata = target.resource, item["metadata"]
    name = metadata["name"]
    if not isinstance(name, str) or not _SUBDOMAIN.fullmatch(name):
        raise invalid(resource, str(name), "metadata.name", "Invalid value: not a DNS subdomain")
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                raise bad_request(f"metadata.{field}.{key} must be a string")
            if not _QUALIFIED.fullmatch(key):
                raise invalid(resource, name, f"metadata.{field}", f"Invalid value: {key}")
    for finalizer in metadata.get("finalizers") or ():
        if not _QUALIFIED.fullmatch(finalizer):
            raise invalid(resource, name, "metadata.finalizers", f"Invalid value: {finalizer}")


def _check_kind(target: Target, item: Object) -> None:
    checks = {
        "Event": _check_event,
        "Lease": _check_lease,
        "PersistentVolume": _check_volume,
        "StorageClass": _check_class,
        "VolumeAttachment": _check_attachment,
    }
    check = None if target.resource.is_custom else checks.get(target.resource.kind)
    refusal = check(target, item) if check else None
    if refusal:
        raise refusal


def _check_event(target: Target, item: Object) -> Failure | None:
    about = item.get("involvedObject") or item.get("regarding") or {}
    # The rule of the core API's validation: events of objects of the cluster are in "default".
    if (about.get("namespace") or "default") != target.namespace:
        name = item["metadata"]["name"]
        why = "Invalid value: does not match event.namespace"
        return invalid(target.resource, name, "involvedObject.namespace", why)
    return None


def _check_lease(target: Target, item: Object) -> Failure | None:
    spec, name = item.get("spec") or {}, item["metadata"]["name"]
    for field in ("acquireTime", "renewTime"):
        if spec.get(field) is not None and not _MICRO_TIME.fullmatch(str(spec[field])):
            return bad_request(f"spec.{field} is no time with microseconds")
    for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = spec.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            return bad_request(f"spec.{field} is no number")
        if value is not None and value < least:
            return invalid(target.resource, name, f"spec.{field}", f"Invalid value: {value}")
    return None


def _check_volume(target: Target, item: Object) -> Failure | None:
    spec, name = item.get("spec") or {}, item["metadata"]["name"]
    for field in ("capacity", "accessModes"):
        if not spec.get(field):
            return invalid(target.resource, name, f"spec.{field}", "Required value")
    if "csi" in spec and not all(spec["csi"].get(one) for one in ("driver", "volumeHandle")):
        return invalid(target.resource, name, "spec.csi", "Required value")
    return None


def _check_class(target: Target, item: Object) -> Failure | None:
    if not item.get("provisioner"):
        name = item["metadata"]["name"]
        return invalid(target.resource, name, "provisioner", "Required value")
    return None


def _check_attachment(target: Target, item: Object) -> Failure | None:
    spec, name = item.get("spec") or {}, item["metadata"]["name"]
    for field in ("attacher", "nodeName"):
        if not spec.get(field):
            return invalid(target.resource, name, f"spec.{field}", "Required value")
    source = spec.get("source") or {}
    if bool(source.get("persistentVolumeName")) == bool(source.get("inlineVolumeSpec")):
        return invalid(target.resource, name, "spec.source", "Required value: exactly one")
    return None


def refuse_terminating(target: Target, namespace: Object) -> None:
    """Refuse what is to be made in a namespace that is going away."""
    if namespace["metadata"].get("deletionTimestamp"):
        raise forbidden(target.resource, target.name, "the namespace is being terminated")
