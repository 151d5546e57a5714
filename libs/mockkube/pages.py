"""Listings, page by page, and the forms in which objects are answered. Pure."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.mockkube.errors import bad_request
from libs.mockkube.resources import Target
from libs.mockkube.selectors import Matches, parse_fields, parse_labels
from libs.mockkube.store import Store

Object = dict[str, Any]

_META = "meta.k8s.io/v1"
_SHARED_TYPE = ("kind", "apiVersion")


@dataclass(frozen=True, slots=True)
class Form:
    """How objects are answered.

    Attributes:
        metadata_only: as PartialObjectMetadata.
    """

    metadata_only: bool = False

    def of(self, item: Object) -> Object:
        """Return an object in this form."""
        if not self.metadata_only:
            return item
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": _META,
            "metadata": item["metadata"],
        }


def parse_accept(header: str) -> Form:
    """Read what a client accepts; what is not known here is plain JSON."""
    parameters = {part.strip() for part in header.partition(",")[0].split(";")}
    partial = {"as=PartialObjectMetadata", "as=PartialObjectMetadataList"}
    return Form(metadata_only=bool(parameters & partial))


def parse_selectors(target: Target, query: Mapping[str, str]) -> Matches:
    """Return whether an object is among those that a query selects.

    Raises:
        Failure: a selector makes no sense.
    """
    by_label = parse_labels(query.get("labelSelector", ""))
    by_field = parse_fields(query.get("fieldSelector", ""), target.resource)

    def matches(item: Object) -> bool:
        is_meant = target.name in ("", item["metadata"]["name"])
        return is_meant and by_label(item) and by_field(item)

    return matches


def number(query: Mapping[str, str], name: str) -> int:
    """Return a number of a query; 0 where there is none.

    Raises:
        Failure: it is none.
    """
    text = query.get(name) or "0"
    if not text.isdecimal():
        raise bad_request(f"{name} is no number: {text}")
    return int(text)


def list_page(store: Store, target: Target, query: Mapping[str, str], form: Form) -> Object:
    """Return one page of a collection. All pages are of the version of the first one.

    Raises:
        Failure: the query makes no sense, or that version has been forgotten.
    """
    matches, limit = parse_selectors(target, query), number(query, "limit")
    number(query, "resourceVersion")
    version, start = _parse_token(query.get("continue", ""), store.version)
    found = sorted((item for item in store.at(target, version) if matches(item)), key=_key)
    rest = [item for item in found if _key(item) > start]
    page = rest[:limit] if limit else rest
    metadata: Object = {"resourceVersion": str(version)}
    if len(page) < len(rest):
        metadata["continue"] = _render_token(version, _key(page[-1]))
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = len(rest) - len(page)
    if form.metadata_only:
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": _META}
    else:
        kind = {"kind": target.resource.kind + "List", "apiVersion": target.resource.api_version}
        if not target.resource.is_custom:
            page = [{k: v for k, v in item.items() if k not in _SHARED_TYPE} for item in page]
    return {**kind, "metadata": metadata, "items": [form.of(item) for item in page]}


def _key(item: Object) -> list[str]:
    return [item["metadata"].get("namespace") or "", item["metadata"]["name"]]


def _render_token(version: int, key: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, key]).encode()).decode()


def _parse_token(text: str, current: int) -> tuple[int, list[str]]:
    if not text:
        return current, []
    try:
        version, key = json.loads(base64.urlsafe_b64decode(text))
        return int(version), [str(part) for part in key]
    except (ValueError, TypeError) as error:
        raise bad_request("the continue token is not valid") from error
