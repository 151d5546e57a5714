"""Label and field selectors. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from libs.mockkube.errors import bad_request
from libs.mockkube.resources import Resource

Object = dict[str, Any]
Matches = Callable[[Object], bool]

_IN = re.compile(r"(?P<key>\S+)\s+(?P<word>in|notin)\s*\((?P<values>[^)]*)\)")
_EQUAL = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<word>==|=|!=)\s*(?P<value>[^=!\s]*)")
_EXISTS = re.compile(r"(?P<no>!?)\s*(?P<key>[^=!\s,()]+)")

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Event": (
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "reason",
        "type",
    ),
    "Node": ("spec.unschedulable",),
    "Pod": ("spec.nodeName", "status.phase"),
    "Secret": ("type",),
}
_ALWAYS = ("metadata.name", "metadata.namespace")


def parse_labels(text: str) -> Matches:
    """Read a label selector.

    Raises:
        Failure: it makes no sense.
    """
    tests = [_label_test(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]

    def matches(item: Object) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _label_test(text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _IN.fullmatch(text):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["word"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.fullmatch(text):
        key, value = match["key"], match["value"]
        if match["word"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(text):
        key = match["key"]
        return (lambda labels: key not in labels) if match["no"] else (lambda labels: key in labels)
    raise bad_request(f"unable to parse the label selector {text}")


def parse_fields(text: str, resource: Resource) -> Matches:
    """Read a field selector.

    Raises:
        Failure: it makes no sense, or this kind cannot be selected by that field.
    """
    tests = [_field_test(part.strip(), resource) for part in text.split(",") if part.strip()]
    return lambda item: all(test(item) for test in tests)


def _field_test(text: str, resource: Resource) -> Matches:
    match = _EQUAL.fullmatch(text)
    if match is None:
        raise bad_request(f"unable to parse the field selector {text}")
    key, value, is_equal = match["key"], match["value"], match["word"] != "!="
    if key not in (*_ALWAYS, *(() if resource.is_custom else _FIELDS.get(resource.kind, ()))):
        raise bad_request(f"field label not supported: {key}")
    return lambda item: (_field(item, key) == value) is is_equal


def _field(item: Object, key: str) -> str:
    value: Any = item
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
