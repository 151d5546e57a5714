"""What outlives a leader, in a ConfigMap."""

import asyncio

from libs.core.errors import InUse, OutcomeUnknown, Unreachable
from libs.kube.answers import Object
from libs.kube.client import KubeClient
from libs.kube.errors import Answered, ObjectChanged, ObjectExists, ObjectMissing
from services.reconciler.memory import Memory, parse_memory, render_memory
from services.reconciler.ports import Clock

_KEY = "memory"
_FIRST_SERVER_ERROR = 500


class ConfigMapStore:
    """Keeps the memory in a ConfigMap. Who has not read it as it is cannot write it.

    Args:
        kube: the API.
        namespace: where the ConfigMap is.
        name: its name.
        clock: by which it is dated.
    """

    def __init__(self, kube: KubeClient, namespace: str, name: str, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._name = name
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"

    async def load(self) -> tuple[Memory, str]:
        """Return what was saved last, and the version to save it with."""
        item = await self._kube.get(f"{self._collection}/{self._name}")
        if item is None:
            return Memory(), ""
        text = (item.get("data") or {}).get(_KEY) or ""
        return await asyncio.to_thread(parse_memory, text), _version(item)

    async def save(self, memory: Memory, version: str) -> str:
        """Save it where `version` is still that of what is there; return the new version."""
        # Beside the event loop: a full one takes a tenth of a second.
        text = await asyncio.to_thread(render_memory, memory, self._clock.now())
        try:
            return _version(await self._write(text, version))
        except (ObjectChanged, ObjectExists, ObjectMissing) as error:
            raise InUse(
                "somebody else changed the memory meanwhile", detail=error.detail
            ) from error
        except Answered as error:
            if error.status >= _FIRST_SERVER_ERROR:
                raise OutcomeUnknown(error.message, detail=error.detail) from error
            raise
        except Unreachable as error:
            raise OutcomeUnknown(error.message, detail=error.detail) from error

    async def _write(self, text: str, version: str) -> Object:
        if not version:
            metadata = {"name": self._name}
            item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
            return await self._kube.create(self._collection, {**item, "data": {_KEY: text}})
        change = {"metadata": {"resourceVersion": version}, "data": {_KEY: text}}
        return await self._kube.patch(f"{self._collection}/{self._name}", change)


def _version(item: Object) -> str:
    return str(item["metadata"].get("resourceVersion") or "")
