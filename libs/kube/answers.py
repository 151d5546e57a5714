"""What the Kubernetes API's answers mean. Pure."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from libs.core.errors import Unreachable
from libs.kube.errors import (
    Answered,
    Forbidden,
    NotServed,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    WatchExpired,
)

Object = dict[str, Any]

_LONGEST = 500
"""Characters of an answer that go to the log."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of objects, as they were at one version of the collection.

    Attributes:
        items: the objects.
        version: the version, the same for all pages.
        following: the server's token for the next page; empty at the end.
    """

    items: list[Object]
    version: str
    following: str


def parse_object(text: bytes) -> Object | None:
    """Read a JSON object; None for anything else."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def parse_listing(text: bytes) -> Listing | None:
    """Read a page of a listing; None for anything else."""
    body = parse_object(text)
    if body is None or "items" not in body:
        return None
    # A listing of metadata alone that has nothing in it has null there.
    items = [] if body["items"] is None else body["items"]
    if not isinstance(items, list):
        return None
    metadata = body.get("metadata") or {}
    version, following = metadata.get("resourceVersion"), metadata.get("continue")
    return Listing(items, str(version or ""), str(following or ""))


def parse_event(path: str, line: bytes) -> tuple[str, Object]:
    """Read one line of a watch: the kind of event and the object.

    Raises:
        WatchExpired: it says that the version is too old.
        Unreachable: it says something else, or nothing.
    """
    event = parse_object(line)
    if event is None or not isinstance(event.get("object"), dict):
        raise Unreachable(f"the watch of {path} sent no event", detail=repr(line[:200]))
    kind, item = str(event.get("type")), event["object"]
    if kind == "ERROR":
        if item.get("code") == HTTPStatus.GONE:
            raise WatchExpired(f"the watch of {path} is too old")
        raise Unreachable(f"the watch of {path} failed", detail=str(item)[:_LONGEST])
    return kind, item


_FAMILIES: dict[tuple[str, int], type[Answered]] = {
    ("create", HTTPStatus.CONFLICT): ObjectExists,
    ("delete", HTTPStatus.CONFLICT): ObjectChanged,
    ("delete", HTTPStatus.NOT_FOUND): ObjectMissing,
    ("get", HTTPStatus.NOT_FOUND): NotServed,
    ("list", HTTPStatus.NOT_FOUND): NotServed,
    ("patch", HTTPStatus.CONFLICT): ObjectChanged,
    ("patch", HTTPStatus.NOT_FOUND): ObjectMissing,
    ("patch by steps", HTTPStatus.CONFLICT): ObjectChanged,
    # What kube-apiserver answers where a `test` fails, or a path leads nowhere.
    ("patch by steps", HTTPStatus.UNPROCESSABLE_ENTITY): ObjectChanged,
    ("patch by steps", HTTPStatus.NOT_FOUND): ObjectMissing,
    ("update", HTTPStatus.CONFLICT): ObjectChanged,
    ("update", HTTPStatus.NOT_FOUND): ObjectMissing,
    ("watch", HTTPStatus.NOT_FOUND): NotServed,
}


def refusal(verb: str, path: str, status: int, text: bytes = b"") -> Answered:
    """Return the error for an answer that is not the one that was asked for.

    Args:
        verb: the verb of the request, as RBAC calls it.
        path: the path of the request, without a query.
        status: the HTTP status.
        text: the body of the answer, for the log.
    """
    word = verb.partition(" ")[0]
    message = f"the Kubernetes API answered {status} to {word} {path}"
    detail = text[:_LONGEST].decode(errors="replace")
    if status == HTTPStatus.UNAUTHORIZED:
        message += ": it does not accept this account's credentials"
        return Forbidden(message, status=status, detail=detail)
    if status == HTTPStatus.FORBIDDEN:
        message += f": RBAC does not allow this account to {word} that"
        return Forbidden(message, status=status, detail=detail)
    family = _FAMILIES.get((verb, status), Answered)
    if family is ObjectMissing and parse_object(text) is None:
        family = NotServed  # there is a Status where the object is missing, and not the API
    return family(message, status=status, detail=detail)
