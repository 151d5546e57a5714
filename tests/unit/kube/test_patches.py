"""Patches as the stand-in applies them."""

import contextlib
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
    ({"a/b": 1}, [{"op": "remove", "path": "/a~1b"}], {}),
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
    {"op": "test", "path": "/a/x", "value": None},
    {"op": "remove", "path": "/l/1"},
    {"op": "remove", "path": "/l/-"},
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


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ({}, {}, True),
        ({"a": [1, "x"]}, {"a": [1, "x"]}, True),
        ({}, {"a": 1}, False),
        ({"a": 1}, {}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
        ([], [], True),
        ([1], [1, 2], False),
        ([1, 2], [1, 3], False),
        ([1], [True], False),
        (1, {}, False),
        ({}, 1, False),
        (1, [], False),
        ([], 1, False),
        ({}, [], False),
    ],
)
def test_values_are_equal_as_json_has_it(
    one: Any,
    other: Any,
    are_equal: bool,  # noqa: FBT001 (an expectation)
) -> None:
    refusal = contextlib.nullcontext() if are_equal else pytest.raises(Unfit)

    with refusal:
        json_patch({"a": one}, [{"op": "test", "path": "/a", "value": other}])


def test_the_types_of_patches_are_those_of_the_api() -> None:
    assert (MERGE, JSON, STRATEGIC) == (
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
    )


def test_a_strategic_patch_adds_to_lists_that_are_not_there_and_never_twice() -> None:
    owners = [{"uid": "u", "name": "a"}, {"uid": "v"}]
    change = {
        "$deleteFromPrimitiveList/none": ["a"],
        "finalizers": ["a"],
        "conditions": [{"type": "Ready"}],
        "ownerReferences": [{"uid": "u", "name": "b"}],
    }

    made = strategic_merge_patch({"ownerReferences": owners}, change)

    assert made == {
        "none": [],
        "finalizers": ["a"],
        "conditions": [{"type": "Ready"}],
        "ownerReferences": [{"uid": "u", "name": "b"}, {"uid": "v"}],
    }
    assert strategic_merge_patch(made, {"finalizers": ["a", "b"]})["finalizers"] == ["a", "b"]


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


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ({"op": "add", "path": "/a/x", "value": 1}, Unfit),
        ({"op": "add", "path": "/a/9", "value": 1}, Unfit),
        ({"op": "replace", "path": "/a/0/b", "value": 1}, Unfit),
        ({"op": "add", "path": "/n/x/y", "value": 1}, Unfit),
        ({"op": "test", "path": "/a", "value": [2]}, Unfit),
        ({"op": "add", "path": "a", "value": 1}, Malformed),
    ],
)
def test_a_step_of_a_patch_that_leads_nowhere_is_refused(
    step: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        json_patch({"a": [1], "n": {}}, [step])


def test_a_patch_of_the_whole_replaces_it_and_objects_are_compared_as_json() -> None:
    test = {"op": "test", "path": "/a", "value": {"b": 1}}

    assert json_patch({"a": {"b": 1}}, [test, {"op": "add", "path": "", "value": {}}]) == {}
    with pytest.raises(Unfit):
        json_patch({"a": {"b": True}}, [test])
