"""Who calls: the names in a client's certificate, and which of them may."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grpclib import GRPCError
from grpclib.const import Status

Certificate = Mapping[str, Any]
"""What `ssl.SSLSocket.getpeercert` tells of a certificate that was verified."""


def names_of(certificate: Certificate | None) -> tuple[str, ...]:
    """Return the names in a certificate: URIs, DNS names, and the common name, in this order."""
    if not certificate:
        return ()
    return tuple(dict.fromkeys(_names(certificate)))


def _names(certificate: Certificate) -> Iterator[str]:
    alternative = certificate.get("subjectAltName", ())
    for wanted in ("URI", "DNS"):
        yield from (value for kind, value in alternative if kind == wanted)
    for part in certificate.get("subject", ()):
        yield from (value for kind, value in part if kind == "commonName")


def check_allowed(names: Collection[str], allowed: Collection[str]) -> None:
    """Check that one of a caller's names may call.

    Args:
        names: of the caller.
        allowed: who may; everybody whom TLS lets in, where it is empty.

    Raises:
        GRPCError: none may.
    """
    if allowed and not set(names) & set(allowed):
        who = ", ".join(names) or "nobody in particular"
        raise GRPCError(Status.PERMISSION_DENIED, f"the certificate is of {who}, who may not call")
