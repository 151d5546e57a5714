"""How the stand-in for the API server answers: forms, pages, and what a query selects."""

import pytest

from libs.mockkube.errors import Failure
from libs.mockkube.pages import Form, list_page, number, parse_accept, parse_selectors
from libs.mockkube.resources import Target
from libs.mockkube.store import Store
from tests.unit.kube.standin import OF_KIND, SET, Object, named, target


@pytest.mark.parametrize(
    ("name", "query", "found"),
    [
        ("", {}, ["a", "b", "c"]),
        ("a", {}, ["a"]),
        ("", {"labelSelector": "app=a"}, ["a"]),
        ("", {"fieldSelector": "metadata.name!=a"}, ["b", "c"]),
        ("", {"labelSelector": "app!=c", "fieldSelector": "metadata.name!=a"}, ["b"]),
        ("a", {"labelSelector": "!app"}, []),
    ],
)
def test_a_query_selects_by_labels_by_fields_and_by_the_name(
    name: str, query: dict[str, str], found: list[str]
) -> None:
    matches = parse_selectors(target("Node", name=name), query)

    assert [one["metadata"]["name"] for one in shelved() if matches(one)] == found


def test_a_number_of_a_query_is_one() -> None:
    assert number({}, "limit") == 0
    with pytest.raises(Failure, match="limit is no number: -1"):
        number({"limit": "-1"}, "limit")


@pytest.mark.parametrize(
    ("header", "only_metadata"),
    [
        ("application/json", False),
        ("application/json;as=PartialObjectMetadataList;v=v1, application/json", True),
        ("application/json;as=PartialObjectMetadata", True),
        ("application/json; as=PartialObjectMetadata, application/json, text/plain", True),
        ("application/json, application/json;as=PartialObjectMetadata", False),
        ("application/json, text/plain, application/json;as=PartialObjectMetadata", False),
    ],
)
def test_the_first_form_that_a_client_accepts_counts(
    header: str,
    only_metadata: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert parse_accept(header).metadata_only is only_metadata


def shelved() -> list[Object]:
    return [{"metadata": {"name": name, "labels": {"app": name}}} for name in ("a", "b", "c")]


def shelf() -> Store:
    store = Store(clock=lambda: 0.0)
    for item in shelved():
        store.put(OF_KIND["Node"].collection(), {"kind": "Node", "apiVersion": "v1", **item})
    return store


def test_a_page_of_metadata_is_nothing_else() -> None:
    page = list_page(shelf(), target("Node"), {"limit": "1"}, Form(metadata_only=True))

    next_page = page["metadata"].pop("continue")
    first = {"name": "a", "labels": {"app": "a"}, "resourceVersion": "1"}
    meta = "meta.k8s.io/v1"
    assert next_page
    assert page == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": meta,
        "metadata": {"resourceVersion": "3", "remainingItemCount": 2},
        "items": [{"kind": "PartialObjectMetadata", "apiVersion": meta, "metadata": first}],
    }


def test_a_page_of_what_is_built_in_says_its_kind_once() -> None:
    query = {"fieldSelector": "metadata.name=b", "limit": "1", "resourceVersion": "0"}

    assert list_page(shelf(), target("Node"), query, Form()) == {
        "kind": "NodeList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "3"},
        "items": [{"metadata": {"name": "b", "labels": {"app": "b"}, "resourceVersion": "2"}}],
    }


@pytest.mark.parametrize(
    "selector", [{"labelSelector": "app"}, {"fieldSelector": "metadata.name!=x"}]
)
def test_how_many_are_left_of_what_is_selected_is_not_told(selector: dict[str, str]) -> None:
    page = list_page(shelf(), target("Node"), {"limit": "1"} | selector, Form())

    assert set(page["metadata"]) == {"resourceVersion", "continue"}


def test_pages_of_all_namespaces_go_by_namespace_and_name() -> None:
    store = Store(clock=lambda: 0.0)
    for namespace, name in (("y", "a"), ("x", "c"), ("x", "b")):
        item = {"metadata": {"name": name, "namespace": namespace}}
        store.put(OF_KIND["Pod"].collection(namespace), item)

    first = list_page(store, target("Pod"), {"limit": "1"}, Form())
    query = {"continue": first["metadata"]["continue"]}
    second = list_page(store, target("Pod"), query, Form())

    found = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert found == ["b", "c", "a"]


def test_a_listing_of_a_version_that_is_no_number_is_refused() -> None:
    with pytest.raises(Failure, match="resourceVersion is no number: x"):
        list_page(shelf(), target("Node"), {"resourceVersion": "x"}, Form())


def test_custom_objects_say_their_kind_in_a_listing() -> None:
    store = Store(clock=lambda: 0.0)
    kind = {"apiVersion": SET.api_version, "kind": SET.kind}
    store.put(SET.collection("ns"), named(**kind))

    page = list_page(store, Target(SET, "ns"), {}, Form())

    assert [item["kind"] for item in page["items"]] == ["Thing"]


@pytest.mark.parametrize("token", ["e30=", "WzFd", "MQ==", "x"])
def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    with pytest.raises(Failure, match="the continue token is not valid"):
        list_page(shelf(), target("Node"), {"continue": token}, Form())
