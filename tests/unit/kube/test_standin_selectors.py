"""What the stand-in for the API server selects."""

import pytest

from libs.mockkube.errors import Failure
from libs.mockkube.resources import Resource
from libs.mockkube.selectors import parse_fields, parse_labels
from tests.unit.kube.standin import OF_KIND, SET, Object, named


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("other", False),
        ("!other", True),
        ("app=x", True),
        ("app==y", False),
        ("app!=x", False),
        ("app in (x, y)", True),
        ("app notin (x, y), app", False),
        ("app in(x)", True),
        ("app in ()", False),
        ("app notin ()", True),
        ("! app", False),
        ("app=x,zone!=a", True),
    ],
)
def test_labels_are_selected(text: str, matches: bool) -> None:  # noqa: FBT001 (an expectation)
    assert parse_labels(text)({"metadata": {"labels": {"app": "x"}}}) is matches


@pytest.mark.parametrize(
    "text", ["a b", "a=b=c", "app in x", "appin (x)", "app in (x) y", "=x", "!"]
)
def test_a_label_selector_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="unable to parse the label selector"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("spec.unschedulable=true", True),
        ("metadata.namespace=", True),
        ("spec.unschedulable!=,metadata.name=b", False),
    ],
)
def test_fields_are_selected(text: str, matches: bool) -> None:  # noqa: FBT001 (an expectation)
    node = named(spec={"unschedulable": True})

    assert parse_fields(text, OF_KIND["Node"])(node) is matches


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("Event", "involvedObject.kind"),
        ("Event", "involvedObject.name"),
        ("Event", "involvedObject.namespace"),
        ("Event", "involvedObject.uid"),
        ("Event", "reason"),
        ("Event", "type"),
        ("Pod", "spec.nodeName"),
        ("Pod", "status.phase"),
        ("Secret", "type"),
        ("Secret", "metadata.namespace"),
    ],
)
def test_a_kind_is_selected_by_its_own_fields(kind: str, field: str) -> None:
    outer, _, inner = field.rpartition(".")
    item: Object = {outer: {inner: "x"}} if outer else {inner: "x"}

    matches = parse_fields(f"{field}=x", OF_KIND[kind])

    assert [matches(item), matches({})] == [True, False]


def test_a_field_below_what_is_no_object_is_empty() -> None:
    assert parse_fields("spec.unschedulable=", OF_KIND["Node"])(named(spec=[]))


@pytest.mark.parametrize(
    ("text", "resource", "says"),
    [
        ("metadata.name", OF_KIND["Node"], "unable to parse"),
        ("metadata.name=a b", OF_KIND["Node"], "unable to parse"),
        ("=a", OF_KIND["Node"], "unable to parse"),
        ("status.phase=x", OF_KIND["Node"], "not supported"),
        ("spec.unschedulable=true", SET, "not supported"),
    ],
)
def test_a_field_that_a_kind_is_not_selected_by_is_refused(
    text: str, resource: Resource, says: str
) -> None:
    with pytest.raises(Failure, match=says):
        parse_fields(text, resource)


@pytest.mark.parametrize("item", [named(), {"metadata": {"name": "a", "labels": None}}])
def test_what_has_no_labels_is_selected_by_their_absence_alone(item: Object) -> None:
    assert [parse_labels(text)(item) for text in ("!app", "app!=x", "app")] == [True, True, False]
