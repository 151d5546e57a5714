"""Patches as the stand-in applies them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mockkube.patches import (
    JSON,
    MERGE,
    STRATEGIC,
    Malformed,
    Unfit,
    apply_patch,
    json_patch,
    merge_patch,
    strategic_merge_patch,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=2), values, max_size=4)

# RFC 7396, appendix A
MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("item", "change", "expected"), MERGES)
def test_a_merge_patch_does_what_the_rfc_shows(item: Any, change: Any, expected: Any) -> None:
    assert merge_patch(item, change) == expected


@given(objects, objects)
def test_a_merge_patch_twice_is_a_merge_patch_once(item: Any, change: Any) -> None:
    once = merge_patch(item, change)

    assert merge_patch(once, change) == once


@given(objects, objects)
def test_a_patch_leaves_what_it_is_applied_to_as_it_was(item: Any, change: Any) -> None:
    before = copy.deepcopy(item)

    apply_patch(MERGE, item, change)
    json_patch(item, [{"op": "add", "path": "/zz", "value": change}])

    assert item == before


# RFC 6902, appendix A
STEPS: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/0", "value": "q"}], {"foo": ["q", "bar"]}),
    ({"foo": ["a", "b"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a"]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
    (
        {"foo": {"bar": 1, "w": 2}, "qux": {}},
        [{"op": "move", "from": "/foo/w", "path": "/qux/t"}],
        {"foo": {"bar": 1}, "qux": {"t": 2}},
    ),
    (
        {"foo": ["all", "grass", "cows"]},
        [{"op": "move", "from": "/foo/0", "path": "/foo/2"}],
        {"foo": ["grass", "cows", "all"]},
    ),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": ["a"]}, [{"op": "add", "path": "/foo/-", "value": ["b"]}], {"foo": ["a", ["b"]]}),
    ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
]


@pytest.mark.parametrize(("item", "steps", "expected"), STEPS)
def test_a_json_patch_does_what_the_rfc_shows(item: Any, steps: Any, expected: Any) -> None:
    assert json_patch(item, steps) == expected


UNFIT: list[dict[str, Any]] = [
    {"op": "test", "path": "/a", "value": 2},
    {"op": "test", "path": "/a", "value": True},
    {"op": "test", "path": "/a", "value": "1"},
    {"op": "remove", "path": "/b"},
    {"op": "remove", "path": ""},
    {"op": "replace", "path": "/b", "value": 1},
    {"op": "replace", "path": "", "value": 1},
    {"op": "add", "path": "/b/c", "value": 1},
    {"op": "add", "path": "/l/2", "value": 1},
    {"op": "add", "path": "/l/01", "value": 1},
    {"op": "add", "path": "/a/x", "value": 1},
    {"op": "copy", "from": "/b", "path": "/c"},
]


@pytest.mark.parametrize("step", UNFIT)
def test_a_step_that_does_not_fit_is_refused(step: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        json_patch({"a": 1, "l": [1]}, [step])


MALFORMED: list[Any] = [
    {},
    ["x"],
    [{"op": "grow", "path": "/a"}],
    [{"op": "remove"}],
    [{"op": "remove", "path": "a"}],
    [{"op": "add", "path": "/a"}],
    [{"op": "move", "path": "/a"}],
]


@pytest.mark.parametrize("steps", MALFORMED)
def test_what_is_no_patch_is_told_from_one_that_does_not_fit(steps: Any) -> None:
    with pytest.raises(Malformed):
        apply_patch(JSON, {"a": 1}, steps)
    with pytest.raises(Malformed):
        apply_patch(MERGE, {"a": 1}, [])


def test_a_strategic_patch_merges_lists_that_have_keys() -> None:
    item = {
        "metadata": {"finalizers": ["a"], "labels": {"x": "1"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk"}]},
        "spec": {"taints": [{"key": "a"}]},
    }
    change = {
        "metadata": {"finalizers": ["b"], "labels": {"x": None}},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        "spec": {"taints": [{"key": "b"}]},
    }

    made = apply_patch(STRATEGIC, item, change)

    assert made["metadata"] == {"finalizers": ["a", "b"], "labels": {}}
    assert made["status"]["conditions"] == [{"type": "Ready", "status": "False"}, {"type": "Disk"}]
    assert made["spec"]["taints"] == [{"key": "b"}]


def test_a_strategic_patch_takes_from_lists_by_its_directives() -> None:
    item = {"finalizers": ["a", "b"], "conditions": [{"type": "Ready"}, {"type": "Disk"}]}
    change = {
        "$deleteFromPrimitiveList/finalizers": ["a"],
        "conditions": [{"type": "Disk", "$patch": "delete"}],
    }

    made = strategic_merge_patch(item, change)

    assert made == {"finalizers": ["b"], "conditions": [{"type": "Ready"}]}
