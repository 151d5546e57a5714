"""What the stand-in for the API server selects, pages, and finds behind a path."""

import pytest

from libs.mockkube.errors import Failure
from libs.mockkube.pages import Form, list_page, number, parse_accept, parse_selectors
from libs.mockkube.patches import Malformed, Unfit, json_patch
from libs.mockkube.resources import BUILT_IN, Resource, Target, custom_resources, parse_path
from libs.mockkube.selectors import parse_fields, parse_labels
from libs.mockkube.store import Store
from tests.unit.kube.standin import OF_KIND, SET, Object, named, target


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
        ("app=x,zone!=a", True),
    ],
)
def test_labels_are_selected(text: str, matches: bool) -> None:  # noqa: FBT001 (an expectation)
    assert parse_labels(text)({"metadata": {"labels": {"app": "x"}}}) is matches


@pytest.mark.parametrize("text", ["a b", "a=b=c", "app in x"])
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


def test_a_field_below_what_is_no_object_is_empty() -> None:
    assert parse_fields("spec.unschedulable=", OF_KIND["Node"])(named(spec=[]))


@pytest.mark.parametrize(
    ("text", "resource", "says"),
    [
        ("metadata.name", OF_KIND["Node"], "unable to parse"),
        ("status.phase=x", OF_KIND["Node"], "not supported"),
        ("spec.unschedulable=true", SET, "not supported"),
    ],
)
def test_a_field_that_a_kind_is_not_selected_by_is_refused(
    text: str, resource: Resource, says: str
) -> None:
    with pytest.raises(Failure, match=says):
        parse_fields(text, resource)


def test_an_object_that_is_watched_by_its_name_is_the_only_one() -> None:
    matches = parse_selectors(target("Node", name="a"), {"labelSelector": "!x"})

    assert matches(named("a"))
    assert not matches(named("b"))


def test_a_number_of_a_query_is_one() -> None:
    assert number({}, "limit") == 0
    with pytest.raises(Failure, match="limit is no number: -1"):
        number({"limit": "-1"}, "limit")


@pytest.mark.parametrize(
    ("header", "only_metadata"),
    [
        ("application/json", False),
        ("application/json;as=PartialObjectMetadataList;v=v1, application/json", True),
        ("application/json, application/json;as=PartialObjectMetadata", False),
    ],
)
def test_the_first_form_that_a_client_accepts_counts(
    header: str,
    only_metadata: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert parse_accept(header).metadata_only is only_metadata


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/unknown",
        "/api/v1/namespaces/ns/nodes",
        "/api/v1/pods/a",
        "/api/v1/nodes/a/scale",
        "/apis/example.org/v1/things",
    ],
)
def test_a_path_of_nothing_that_is_served_has_no_target(path: str) -> None:
    assert parse_path(path, BUILT_IN) is None


def test_a_path_names_a_part_of_an_object() -> None:
    pod = parse_path("/api/v1/namespaces/ns/pods/a/status", BUILT_IN)
    namespace = parse_path("/api/v1/namespaces/ns/finalize", BUILT_IN)

    assert pod == target("Pod", "ns", name="a", part="status")
    assert namespace == target("Namespace", name="ns", part="finalize")


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
    step: Object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        json_patch({"a": [1], "n": {}}, [step])


def test_a_definition_that_is_served_brings_a_kind() -> None:
    spec = {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
    }

    assert custom_resources([{"spec": spec}]) == (SET,)


def shelf() -> Store:
    store = Store(clock=lambda: 0.0)
    for name in ("a", "b", "c"):
        labels = {"metadata": {"name": name, "labels": {"app": "x"}}}
        store.put(OF_KIND["Node"].collection(), named(name) | labels)
    return store


def test_a_page_of_metadata_is_nothing_else() -> None:
    page = list_page(shelf(), target("Node"), {"limit": "1"}, Form(metadata_only=True))

    assert page["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in page["items"]] == [{"kind", "apiVersion", "metadata"}]
    assert page["metadata"]["remainingItemCount"] == 2


def test_how_many_are_left_of_what_is_selected_is_not_told() -> None:
    query = {"limit": "1", "labelSelector": "app"}

    page = list_page(shelf(), target("Node"), query, Form())

    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


def test_custom_objects_say_their_kind_in_a_listing() -> None:
    store = Store(clock=lambda: 0.0)
    kind = {"apiVersion": SET.api_version, "kind": SET.kind}
    store.put(SET.collection("ns"), named(**kind))

    page = list_page(store, Target(SET, "ns"), {}, Form())

    assert [item["kind"] for item in page["items"]] == ["Thing"]


@pytest.mark.parametrize("token", ["e30=", "WzFd", "x"])
def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    with pytest.raises(Failure, match="the continue token is not valid"):
        list_page(shelf(), target("Node"), {"continue": token}, Form())


@pytest.mark.parametrize(
    ("collection", "is_held"),
    [
        ("/api/v1/namespaces/ns/pods", True),
        ("/api/v1/namespaces/other/pods", True),
        ("/api/v1/namespaces/ns/secrets", False),
        ("/api/v1/nodes", False),
    ],
)
def test_all_namespaces_hold_what_is_in_each(
    collection: str,
    is_held: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert target("Pod").holds(collection) is is_held
    assert target("Node").holds("/api/v1/nodes")


def test_a_patch_of_the_whole_replaces_it_and_objects_are_compared_as_json() -> None:
    test = {"op": "test", "path": "/a", "value": {"b": 1}}

    assert json_patch({"a": {"b": 1}}, [test, {"op": "add", "path": "", "value": {}}]) == {}
    with pytest.raises(Unfit):
        json_patch({"a": {"b": True}}, [test])
