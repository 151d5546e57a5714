"""Lines of a watch."""

import json

import pytest

from libs.core.errors import Unreachable
from libs.kube.answers import parse_event, refusal
from libs.kube.errors import NotServed, ObjectMissing, WatchExpired

PATH = "/api/v1/nodes"


def line(kind: object, item: object) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode()


def test_an_event_is_its_kind_and_its_object() -> None:
    assert parse_event(PATH, line("ADDED", {"kind": "Node"})) == ("ADDED", {"kind": "Node"})


def test_a_version_that_is_too_old_asks_for_a_new_listing() -> None:
    with pytest.raises(WatchExpired, match=f"the watch of {PATH} is too old"):
        parse_event(PATH, line("ERROR", {"code": 410}))


def test_another_error_is_told_with_what_the_server_said_for_the_log() -> None:
    with pytest.raises(Unreachable, match="failed") as caught:
        parse_event(PATH, line("ERROR", {"code": 500, "message": "etcd is away"}))

    assert not isinstance(caught.value, WatchExpired)
    assert "etcd is away" in caught.value.detail


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"object": []}'])
def test_a_line_without_an_event_ends_the_watch(text: bytes) -> None:
    with pytest.raises(Unreachable, match="sent no event"):
        parse_event(PATH, text)


def test_only_a_status_says_that_an_object_is_missing_and_not_the_whole_api() -> None:
    assert isinstance(refusal("delete", PATH, 404, b'{"kind": "Status"}'), ObjectMissing)
    assert isinstance(refusal("delete", PATH, 404, b"404 page not found"), NotServed)
