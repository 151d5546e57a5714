"""The stand-in's store: the history of a collection, and who may do what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mockkube.accounts import Account, parse_rules
from libs.mockkube.errors import Failure, NotServed
from libs.mockkube.pages import Form, list_page
from libs.mockkube.running import add_namespaces
from libs.mockkube.store import Store

MAPS = "/api/v1/namespaces/default/configmaps"
NODES = "/api/v1/nodes"


def store() -> Store:
    made = Store(clock=lambda: 1_767_225_600.0)
    add_namespaces(made)
    return made


def item(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


moves = st.lists(
    st.tuples(st.sampled_from(["put", "drop"]), st.sampled_from("abcd"), st.text(max_size=2)),
    max_size=30,
)


@given(moves, st.integers(0, 30))
def test_a_collection_can_be_seen_as_it_was_at_any_version(
    steps: list[tuple[str, str, str]], when: int
) -> None:
    held = store()
    target = held.target(MAPS)
    states = {held.version: held.at(target, held.version)}
    for move, name, data in steps:
        if move == "put":
            held.put(MAPS, {"metadata": {"name": name}, "data": {"x": data}})
        elif name in held.objects.get(MAPS, {}):
            held.drop(MAPS, name, held.objects[MAPS][name])
        found = held.objects.get(MAPS, {})
        states[held.version] = [found[key] for key in sorted(found)]

    version = sorted(states)[when % len(states)]

    assert held.at(target, version) == states[version]


@given(moves, st.integers(0, 30))
def test_what_was_seen_and_the_changes_since_make_what_there_is(
    steps: list[tuple[str, str, str]], when: int
) -> None:
    held = store()
    target = held.target(MAPS)
    begin, seen = held.version, dict[str, Any]()
    for number, (move, name, data) in enumerate(steps):
        if number == when:
            begin, seen = held.version, dict(held.objects.get(MAPS, {}))
        if move == "put":
            held.put(MAPS, {"metadata": {"name": name}, "data": {"x": data}})
        elif name in held.objects.get(MAPS, {}):
            held.drop(MAPS, name, held.objects[MAPS][name])

    for change in held.since(target, begin):
        name = change.last["metadata"]["name"]
        seen.pop(name, None)
        if change.new is not None:
            seen[name] = change.new

    assert seen == held.objects.get(MAPS, {})


def test_what_is_forgotten_is_refused() -> None:
    held = store()
    target, begin = held.target(MAPS), held.version
    held.put(MAPS, item("one"))

    held.compact()

    assert held.since(target, held.version) == []
    for ask in (held.since, held.at):
        with pytest.raises(Failure) as caught:
            ask(target, begin)
        assert (caught.value.code, caught.value.reason) == (410, "Expired")


@given(st.integers(1, 9), st.integers(0, 25))
def test_pages_of_any_size_make_the_whole_listing(limit: int, count: int) -> None:
    held = store()
    for i in range(count):
        held.put(MAPS, item(f"map-{i:02}"))
    target, query = held.target(MAPS), {"limit": str(limit)}
    found: list[str] = []

    while True:
        page = list_page(held, target, query, Form())
        found += [one["metadata"]["name"] for one in page["items"]]
        assert page["metadata"].get("remainingItemCount", 0) == count - len(found)
        if not page["metadata"].get("continue"):
            break
        query["continue"] = page["metadata"]["continue"]

    assert found == [f"map-{i:02}" for i in range(count)]


def test_what_was_handed_out_is_not_changed_by_what_happens_later() -> None:
    held = store()
    target = held.target(f"{MAPS}/one")
    first = held.create(held.target(MAPS), item("one", a="1"))

    held.patch(target, "application/merge-patch+json", {"data": {"a": "2"}})

    assert first["data"] == {"a": "1"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/things",
        "/api/v2/nodes",
        "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/configmaps/one",
        "/api/v1/nodes/one/exec",
        f"{MAPS}/one/status",
        "/",
    ],
)
def test_paths_of_what_there_is_not_are_not_served(path: str) -> None:
    with pytest.raises(NotServed):
        store().target(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (NODES, ("nodes", "", "", "")),
        ("/api/v1/nodes/a.b/status", ("nodes", "", "a.b", "status")),
        (f"{MAPS}/one", ("configmaps", "default", "one", "")),
        ("/api/v1/pods", ("pods", "", "", "")),
        ("/api/v1/namespaces/default", ("namespaces", "", "default", "")),
        ("/api/v1/namespaces/default/status", ("namespaces", "", "default", "status")),
    ],
)
def test_paths_are_read(path: str, found: tuple[str, ...]) -> None:
    target = store().target(path)

    assert (target.resource.plural, target.namespace, target.name, target.part) == found


RULES = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"], "resourceNames": ["one"]},
    {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
]


ALLOWED = [
    ("get", "/api/v1/nodes/a"),
    ("list", NODES),
    ("patch", "/api/v1/nodes/a/status"),
    ("patch", f"{MAPS}/one"),
]
FORBIDDEN = [
    ("watch", NODES),
    ("patch", "/api/v1/nodes/a"),
    ("patch", f"{MAPS}/two"),
    ("get", "/apis/storage.k8s.io/v1/csinodes/a"),
]


@pytest.mark.parametrize(("verb", "path"), ALLOWED)
def test_a_role_allows_what_it_says(verb: str, path: str) -> None:
    Account("someone", parse_rules(RULES)).check(verb, store().target(path))


@pytest.mark.parametrize(("verb", "path"), FORBIDDEN)
def test_a_role_allows_nothing_else(verb: str, path: str) -> None:
    with pytest.raises(Failure, match='User "someone" cannot') as caught:
        Account("someone", parse_rules(RULES)).check(verb, store().target(path))

    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")


def test_a_role_of_a_namespace_counts_there_only() -> None:
    rules = parse_rules([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}], "vms")
    account = Account("someone", rules)

    account.check("list", store().target("/api/v1/namespaces/vms/pods"))
    for path in ("/api/v1/namespaces/default/pods", "/api/v1/pods"):
        with pytest.raises(Failure):
            account.check("list", store().target(path))
