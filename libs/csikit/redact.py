"""Requests and bugs for the log, without secrets."""

import traceback
from typing import Any, Protocol

from protos.descriptors import secret_fields

MASK = "***"
_CSI = "csi.v1."
_LONGEST = 200


class _Message(Protocol):
    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their JSON names."""


def redacted(method: str, message: _Message) -> dict[str, Any]:
    """Return the fields of a request with secrets masked and long values cut.

    Which fields are secret is what the contract says (`csi_secret`); a message's own `repr` would
    print them. Secrets stand at the top level of CSI requests.

    Args:
        method: the path of the call, such as `/csi.v1.Controller/CreateVolume`.
        message: its request.
    """
    request = f"{_CSI}{method.rpartition('/')[2]}Request"
    secret = secret_fields().get(request, frozenset())
    return {
        name: MASK if name in secret else _cut(value) for name, value in message.to_dict().items()
    }


def _cut(value: object) -> object:
    text = str(value)
    return value if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def render_traceback(error: BaseException) -> str:
    """Return a traceback without the values of local variables.

    The renderer for people shows them where `rich` is installed: requests, with their secrets.
    """
    return "".join(traceback.format_exception(error)).rstrip()
