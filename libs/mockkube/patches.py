"""Patches of objects: JSON merge patch, JSON patch and strategic merge patch. Pure."""

import copy
import re
from collections.abc import Callable
from typing import Any

Value = Any
Object = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)


class Malformed(ValueError):
    """It is no patch."""


class Unfit(ValueError):
    """It is a patch, but not one for this object."""


def merge_patch(item: Value, change: Value) -> Value:
    """Return what a JSON merge patch (RFC 7396) makes of a value."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(item) if isinstance(item, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# JSON patch, RFC 6902


def json_patch(item: Object, steps: Value) -> Object:
    """Return what a JSON patch makes of an object; all of it holds, or nothing.

    Raises:
        Malformed: it is not a list of operations.
        Unfit: a `test` fails, or a path leads nowhere.
    """
    if not isinstance(steps, list):
        raise Malformed("a JSON patch is a list of operations")
    result: Value = copy.deepcopy(item)
    for step in steps:
        if not isinstance(step, dict) or step.get("op") not in _OPERATIONS:
            raise Malformed("an operation has no known op")
        if not isinstance(step.get("path"), str):
            raise Malformed("an operation has no path")
        result = _OPERATIONS[step["op"]](result, step)
    if not isinstance(result, dict):
        raise Unfit("what is left is no object")
    return result


def _tokens(pointer: object) -> list[str]:
    """Split a JSON pointer (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise Malformed("a pointer begins with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(holder: list[Value], text: str, *, may_append: bool = False) -> int:
    if may_append and text == "-":
        return len(holder)
    if not _INDEX.fullmatch(text):
        raise Unfit(f"{text} is no index")
    if int(text) >= len(holder) + may_append:
        raise Unfit(f"there is no element {text}")
    return int(text)


def _child(holder: Value, token: str) -> Value:
    if isinstance(holder, dict):
        if token not in holder:
            raise Unfit(f"there is no {token}")
        return holder[token]
    if isinstance(holder, list):
        return holder[_index(holder, token)]
    raise Unfit(f"there is nothing below at {token}")


def _look_up(item: Value, pointer: object) -> Value:
    for token in _tokens(pointer):
        item = _child(item, token)
    return item


def _holder(item: Value, pointer: object) -> tuple[Value, str]:
    tokens = _tokens(pointer)
    for token in tokens[:-1]:
        item = _child(item, token)
    return item, tokens[-1]


def _put(item: Value, pointer: object, value: Value) -> Value:
    if not _tokens(pointer):
        return value
    holder, token = _holder(item, pointer)
    if isinstance(holder, dict):
        holder[token] = value
    elif isinstance(holder, list):
        holder.insert(_index(holder, token, may_append=True), value)
    else:
        raise Unfit(f"nothing can be put at {token}")
    return item


def _take(item: Value, pointer: object) -> Value:
    if not _tokens(pointer):
        raise Unfit("the whole object cannot be taken away")
    holder, token = _holder(item, pointer)
    value: Value = _child(holder, token)
    if isinstance(holder, dict):
        del holder[token]
    else:
        holder.pop(_index(holder, token))
    return value


def _value(step: Object) -> Value:
    if "value" not in step:
        raise Malformed(f"{step['op']} has no value")
    return copy.deepcopy(step["value"])


def _add(item: Value, step: Object) -> Value:
    return _put(item, step["path"], _value(step))


def _remove(item: Value, step: Object) -> Value:
    _take(item, step["path"])
    return item


def _replace(item: Value, step: Object) -> Value:
    if not _tokens(step["path"]):
        return _value(step)
    holder, token = _holder(item, step["path"])
    _child(holder, token)
    holder[token if isinstance(holder, dict) else _index(holder, token)] = _value(step)
    return item


def _move(item: Value, step: Object) -> Value:
    return _put(item, step["path"], _take(item, step.get("from")))


def _copy(item: Value, step: Object) -> Value:
    return _put(item, step["path"], copy.deepcopy(_look_up(item, step.get("from"))))


def _test(item: Value, step: Object) -> Value:
    if not _same(_look_up(item, step["path"]), _value(step)):
        raise Unfit(f"the test of {step['path']} fails")
    return item


def _same(one: Value, other: Value) -> bool:
    """Whether two JSON values are equal; for Python True is 1, for JSON it is not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


_OPERATIONS: dict[object, Callable[[Value, Object], Value]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


# Strategic merge patch, as far as the objects here have lists that are merged

_MERGED_BY = {"conditions": "type", "ownerReferences": "uid"}
_SETS = ("finalizers",)
_DELETE_FROM = "$deleteFromPrimitiveList/"


def strategic_merge_patch(item: Object, change: Object) -> Object:
    """Return what a strategic merge patch makes of an object of a built-in kind."""
    result = dict(item)
    for key, value in change.items():
        if key.startswith(_DELETE_FROM):
            name = key.removeprefix(_DELETE_FROM)
            result[name] = [one for one in result.get(name) or [] if one not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            held = result.get(key)
            result[key] = strategic_merge_patch(held if isinstance(held, dict) else {}, value)
        elif key in _SETS:
            held = result.get(key) or []
            result[key] = held + [one for one in value if one not in held]
        elif key in _MERGED_BY:
            result[key] = _merge_list(result.get(key) or [], value, _MERGED_BY[key])
        else:
            result[key] = copy.deepcopy(value)
    return result


def _merge_list(held: list[Object], changes: list[Object], by: str) -> list[Object]:
    merged = {one.get(by): one for one in held}
    for change in changes:
        if change.get("$patch") == "delete":
            merged.pop(change.get(by), None)
        else:
            merged[change.get(by)] = strategic_merge_patch(merged.get(change.get(by), {}), change)
    return list(merged.values())


def apply_patch(content_type: str, item: Object, change: Value) -> Object:
    """Return what a patch of one of the three types makes of an object.

    Raises:
        Malformed: it is none of its type.
        Unfit: it is not one for this object.
    """
    if content_type == JSON:
        return json_patch(item, change)
    if not isinstance(change, dict):
        raise Malformed("a merge patch is an object")
    if content_type == STRATEGIC:
        return strategic_merge_patch(item, change)
    merged: Object = merge_patch(item, change)
    return merged
