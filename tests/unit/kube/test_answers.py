import pytest

from libs.core.errors import Unreachable
from libs.kube.access import server_url
from libs.kube.answers import Listing, parse_listing, refusal
from libs.kube.errors import Answered, Forbidden, ObjectChanged, ObjectExists, ObjectMissing

PATH = "/api/v1/persistentvolumes/pvc-1"


def test_a_missing_rbac_rule_is_named_by_verb_and_path() -> None:
    error = refusal("patch", PATH, 403, b'{"message": "User x cannot patch"}')

    assert isinstance(error, Forbidden)
    assert error.message == (
        f"the Kubernetes API answered 403 to patch {PATH}: "
        "RBAC does not allow this account to patch that"
    )
    assert "User x cannot patch" in error.detail


def test_credentials_that_are_not_accepted_are_named() -> None:
    error = refusal("get", PATH, 401)

    assert isinstance(error, Forbidden)
    assert "it does not accept this account's credentials" in error.message


@pytest.mark.parametrize(
    ("verb", "status", "kind"),
    [
        ("create", 409, ObjectExists),
        ("patch", 409, ObjectChanged),
        ("patch", 404, ObjectMissing),
        ("patch by steps", 422, ObjectChanged),
        ("update", 404, ObjectMissing),
        ("update", 409, ObjectChanged),
        ("delete", 404, ObjectMissing),
        ("delete", 409, ObjectChanged),
        ("create", 404, Answered),
        ("patch", 422, Answered),
        ("get", 500, Answered),
    ],
)
def test_a_refusal_tells_what_may_be_concluded(
    verb: str, status: int, kind: type[Unreachable]
) -> None:
    error = refusal(verb, PATH, status, b'{"kind": "Status"}')

    assert type(error) is kind
    assert isinstance(error, Unreachable)
    assert error.status == status


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


@pytest.mark.parametrize("text", [b"{}", b'{"items": 1}', b"[]", b"none"])
def test_what_is_no_listing_is_not_taken_for_an_empty_one(text: bytes) -> None:
    assert parse_listing(text) is None
