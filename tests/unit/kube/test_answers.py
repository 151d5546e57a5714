import pytest

from libs.core.errors import Unreachable
from libs.kube.access import server_url
from libs.kube.answers import Listing, parse_listing, parse_object, refusal
from libs.kube.errors import (
    Answered,
    Forbidden,
    NotServed,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
)

PATH = "/api/v1/persistentvolumes/pvc-1"


def test_a_missing_rbac_rule_is_named_by_verb_and_path() -> None:
    error = refusal("patch", PATH, 403, b'{"message": "User x cannot patch"}')

    assert isinstance(error, Forbidden)
    assert error.status == 403
    assert error.message == (
        f"the Kubernetes API answered 403 to patch {PATH}: "
        "RBAC does not allow this account to patch that"
    )
    assert error.detail == '{"message": "User x cannot patch"}'


def test_credentials_that_are_not_accepted_are_named() -> None:
    error = refusal("get", PATH, 401)

    assert isinstance(error, Forbidden)
    assert (error.status, error.detail) == (401, "")
    assert "it does not accept this account's credentials" in error.message


@pytest.mark.parametrize(
    ("verb", "status", "kind"),
    [
        ("create", 409, ObjectExists),
        ("patch", 409, ObjectChanged),
        ("patch", 404, ObjectMissing),
        ("patch by steps", 404, ObjectMissing),
        ("patch by steps", 409, ObjectChanged),
        ("patch by steps", 422, ObjectChanged),
        ("update", 404, ObjectMissing),
        ("update", 409, ObjectChanged),
        ("delete", 404, ObjectMissing),
        ("delete", 409, ObjectChanged),
        ("get", 404, NotServed),
        ("list", 404, NotServed),
        ("watch", 404, NotServed),
        ("create", 404, Answered),
        ("patch", 422, Answered),
        ("get", 500, Answered),
    ],
)
def test_a_refusal_tells_what_may_be_concluded(
    verb: str, status: int, kind: type[Unreachable]
) -> None:
    error = refusal(verb, PATH, status, b'{"kind": "Status"}')

    word = verb.partition(" ")[0]
    assert type(error) is kind
    assert isinstance(error, Unreachable)
    assert error.status == status
    assert error.message == f"the Kubernetes API answered {status} to {word} {PATH}"


def test_a_change_that_came_too_late_is_one_without_a_body_too() -> None:
    assert type(refusal("patch", PATH, 409)) is ObjectChanged


@pytest.mark.parametrize(
    ("text", "detail"), [(b"x" * 501, "x" * 500), (b"\xff{}", "\ufffd{}")], ids=["long", "binary"]
)
def test_the_log_gets_the_beginning_of_an_answer_whatever_it_is(text: bytes, detail: str) -> None:
    assert refusal("get", PATH, 500, text).detail == detail


def test_an_error_that_did_not_come_as_an_answer_has_no_status() -> None:
    error = ObjectMissing("the volume is not there")

    assert (error.message, error.status, error.detail) == ("the volume is not there", 0, "")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.96.0.1", "https://10.96.0.1:443"),
        ("fd00::1", "https://[fd00::1]:443"),
        ("api.example", "https://api.example:443"),
    ],
)
def test_an_address_of_any_kind_becomes_a_url(host: str, url: str) -> None:
    assert server_url(host, "443") == url


@pytest.mark.parametrize("items", [b"null", b"[]"])
def test_a_listing_without_items_is_whole(items: bytes) -> None:
    text = b'{"metadata": {"resourceVersion": "7"}, "items": ' + items + b"}"

    assert parse_listing(text) == Listing([], "7", "")


@pytest.mark.parametrize(
    ("text", "listing"),
    [
        (
            b'{"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"a": 1}]}',
            Listing([{"a": 1}], "7", "more"),
        ),
        (b'{"metadata": {}, "items": []}', Listing([], "", "")),
        (b'{"metadata": null, "items": []}', Listing([], "", "")),
    ],
)
def test_a_page_of_a_listing_says_what_version_it_is_of_and_where_it_goes_on(
    text: bytes, listing: Listing
) -> None:
    assert parse_listing(text) == listing


def test_an_object_that_is_nested_too_deeply_is_none() -> None:
    assert parse_object(b'{"a":' + b"[" * 100_000) is None


@pytest.mark.parametrize("text", [b"{}", b'{"items": 1}', b"[]", b"none"])
def test_what_is_no_listing_is_not_taken_for_an_empty_one(text: bytes) -> None:
    assert parse_listing(text) is None
