"""The objects of a cluster, every change of them in order, and what may be done to them.

Nothing here waits, so each change is one step for all who look. Objects are never changed in place:
what was handed out, or is in the history, stays what it was.
"""

import copy
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libs.mockkube.errors import (
    NotServed,
    already_exists,
    bad_request,
    conflict,
    expired,
    invalid,
    not_found,
    unsupported,
)
from libs.mockkube.objects import prepare, refuse_terminating, renew
from libs.mockkube.patches import JSON, MERGE, STRATEGIC, Malformed, Unfit, apply_patch
from libs.mockkube.resources import (
    BUILT_IN,
    CUSTOM_RESOURCES,
    NAMESPACE,
    NAMESPACES,
    Resource,
    Target,
    custom_resources,
    parse_path,
)

Object = dict[str, Any]

MOST_HISTORY = 100_000
"""Changes that are remembered; a watch from before them is refused."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object.

    Attributes:
        version: of the whole store, after it.
        collection: the path of the object's collection.
        old: the object before; None where there was none.
        new: the object after; None where it was removed.
        last: the object with this change's version, also where it was removed.
    """

    version: int
    collection: str
    old: Object | None
    new: Object | None
    last: Object


@dataclass
class Store:
    """Everything that the API server knows.

    Attributes:
        objects: by the path of the collection and by name.
        version: of the last change.
        oldest: the version before which nothing is known of what happened.
        clock: seconds since 1970.
        on_change: called after each change.
    """

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    version: int = 0
    oldest: int = 0
    clock: Callable[[], float] = time.time
    on_change: Callable[[], None] = lambda: None
    history: deque[Change] = field(default_factory=deque)

    def served(self) -> tuple[Resource, ...]:
        """Return the kinds that there are, with those that custom resources define."""
        return BUILT_IN + custom_resources(self.objects.get(CUSTOM_RESOURCES, {}).values())

    def target(self, path: str) -> Target:
        """Return what a path names.

        Raises:
            NotServed: nothing of the kind is served.
        """
        target = parse_path(path, self.served())
        if target is None:
            raise NotServed(path)
        return target

    # Reading

    def read(self, target: Target) -> Object:
        """Return an object.

        Raises:
            Failure: there is none.
        """
        item = self.objects.get(target.collection, {}).get(target.name)
        if item is None:
            raise not_found(target.resource, target.name)
        return item

    def at(self, target: Target, version: int) -> list[Object]:
        """Return the objects of a collection as they were at a version, in the order of names.

        Raises:
            Failure: that has been forgotten.
        """
        if version < self.oldest:
            raise expired("the version of this listing has been forgotten: list from the start")
        found = {
            (collection, name): item
            for collection, items in self.objects.items()
            if target.holds(collection)
            for name, item in items.items()
        }
        for change in reversed(self.history):
            if change.version <= version:
                break
            if not target.holds(change.collection):
                continue
            key = (change.collection, change.last["metadata"]["name"])
            found.pop(key, None)
            if change.old is not None:
                found[key] = change.old
        return [found[key] for key in sorted(found)]

    def since(self, target: Target, version: int) -> list[Change]:
        """Return the changes of a collection after a version.

        Raises:
            Failure: some have been forgotten.
        """
        if version < self.oldest:
            raise expired(f"too old resource version: {version} ({self.oldest})")
        changes = []
        for change in reversed(self.history):
            if change.version <= version:
                break
            if target.holds(change.collection):
                changes.append(change)
        return changes[::-1]

    def compact(self) -> None:
        """Forget what happened before now."""
        self.history.clear()
        self.oldest = self.version

    # Changing

    def create(self, target: Target, item: Object) -> Object:
        """Add an object to a collection; return it as it is now.

        Raises:
            Failure: it is refused.
        """
        if target.resource.namespaced:
            if not target.namespace:
                raise bad_request("a namespace is needed")
            namespace = self.objects.get(NAMESPACES, {}).get(target.namespace)
            if namespace is None:
                raise not_found(NAMESPACE, target.namespace)
            refuse_terminating(target, namespace)
        made = prepare(target, copy.deepcopy(item), str(uuid.uuid4()), self._now())
        name = made["metadata"]["name"]
        if name in self.objects.get(target.collection, {}):
            raise already_exists(target.resource, name)
        return self.put(target.collection, made)

    def replace(self, target: Target, item: Object) -> Object:
        """Put another object, or another status, in the place of what is there.

        Raises:
            Failure: it is refused.
        """
        if target.resource.is_upserted and target.name not in self.objects.get(
            target.collection, {}
        ):
            metadata = {k: v for k, v in item["metadata"].items() if k != "resourceVersion"}
            return self.create(target, {**item, "metadata": metadata})
        return self._store(target, self.read(target), copy.deepcopy(item))

    def patch(self, target: Target, content_type: str, change: object) -> Object:
        """Change parts of what is there.

        Raises:
            Failure: it is refused.
        """
        known = (MERGE, JSON) if target.resource.is_custom else (MERGE, JSON, STRATEGIC)
        if content_type not in known:
            raise unsupported(content_type)
        old = self.read(target)
        try:
            new = apply_patch(content_type, copy.deepcopy(old), change)
        except Malformed as error:
            raise bad_request(f"the patch makes no sense: {error}") from error
        except Unfit as error:
            raise invalid(target.resource, target.name, "patch", str(error)) from error
        metadata = new.get("metadata") or {}
        if metadata.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise conflict(target.resource, target.name)
        if metadata.get("uid") != old["metadata"]["uid"]:
            why = "Invalid value: field is immutable"
            raise invalid(target.resource, target.name, "metadata.uid", why)
        return self._store(target, old, new)

    def _store(self, target: Target, old: Object, new: Object) -> Object:
        made = renew(target, old, new)
        was = {**old, "metadata": {**old["metadata"]}}
        del was["metadata"]["resourceVersion"]
        if made == was:
            return old  # nothing happened, and nobody is told
        if target.resource.is_custom and made.get("spec") != old.get("spec"):
            made["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if made["metadata"].get("deletionTimestamp") and not made["metadata"].get("finalizers"):
            return self.drop(target.collection, target.name, made)
        return self.put(target.collection, made)

    def delete(self, target: Target, preconditions: Object) -> tuple[Object, bool]:
        """Have an object go, or mark it as going while it has finalizers.

        Returns:
            The object, and whether it is gone.

        Raises:
            Failure: it is not there, or not the one that is meant.
        """
        item = self.read(target)
        metadata = item["metadata"]
        for key in ("uid", "resourceVersion"):
            if preconditions.get(key) not in (None, "", metadata[key]):
                why = f"Precondition failed: another {key}"
                raise conflict(target.resource, target.name, why)
        if not metadata.get("finalizers"):
            return self.drop(target.collection, target.name, item), True
        if not metadata.get("deletionTimestamp"):
            going = {"deletionTimestamp": self._now(), "deletionGracePeriodSeconds": 0}
            item = self.put(target.collection, {**item, "metadata": {**metadata, **going}})
        return item, False

    def put(self, collection: str, item: Object) -> Object:
        """Store an object under its name, whatever was there."""
        name = item["metadata"]["name"]
        old = self.objects.setdefault(collection, {}).get(name)
        new = self._stamped(item)
        self.objects[collection][name] = new
        self._note(Change(self.version, collection, old, new, new))
        return new

    def drop(self, collection: str, name: str, item: Object) -> Object:
        """Remove an object; `item` is what it was at its end."""
        old = self.objects[collection].pop(name)
        last = self._stamped(item)
        self._note(Change(self.version, collection, old, None, last))
        return last

    def _stamped(self, item: Object) -> Object:
        self.version += 1
        return {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}

    def _note(self, change: Change) -> None:
        self.history.append(change)
        if len(self.history) > MOST_HISTORY:
            self.oldest = self.history.popleft().version
        self.on_change()

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
