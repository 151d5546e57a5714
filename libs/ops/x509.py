"""When certificates end, from their PEM text. Pure.

The ssl module tells it of the peer's certificate and of authorities only, never of our own; so the
few fields before it are skipped here. RFC 5280, 4.1 has the structure, X.690 the encoding.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from libs.core.errors import InvalidRequest

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_LONG_FORM = 0x80
_LENGTH_BYTES = 4
"""Bytes of the longest length that is read: more than any certificate has."""
_FIELDS_BEFORE_VALIDITY = 3  # serialNumber, signature, issuer
_CENTURY_FROM = 50  # RFC 5280, 4.1.2.5.1: 50 is 1950, 49 is 2049


def read_ends(pem: str) -> tuple[datetime, ...]:
    """Return when each certificate of a file ends to be valid, in the file's order.

    Args:
        pem: the text of the file; what is not a certificate is passed over.

    Raises:
        InvalidRequest: there is no certificate in it, or one that cannot be read.
    """
    try:
        ends = tuple(_end(ssl.PEM_cert_to_DER_cert(block)) for block in _blocks(pem))
    except (ValueError, IndexError) as error:
        raise InvalidRequest("a certificate in it cannot be read", detail=str(error)) from error
    if not ends:
        raise InvalidRequest("there is no certificate in it")
    return ends


def _blocks(pem: str) -> Iterator[str]:
    for part in pem.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        if not end:
            raise ValueError("a certificate breaks off")
        yield f"{_BEGIN}{body}{_END}"


def _end(der: bytes) -> datetime:
    _, certificate, _ = _element(der)
    tag, signed, _ = _element(certificate)
    if tag != _SEQUENCE:
        raise ValueError("this is not a certificate")
    if signed[0] == _VERSION:
        _, _, signed = _element(signed)
    for _ in range(_FIELDS_BEFORE_VALIDITY):
        _, _, signed = _element(signed)
    _, validity, _ = _element(signed)
    _, _, rest = _element(validity)  # notBefore
    tag, value, _ = _element(rest)
    return _time(tag, value.decode("ascii"))


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element, and what comes after it."""
    size, start = data[1], 2
    if size & _LONG_FORM:
        start += size & ~_LONG_FORM
        if not 0 < start - 2 <= _LENGTH_BYTES:
            raise ValueError("a length has a form that certificates do not have")
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        raise ValueError("an element breaks off")
    return data[0], data[start : start + size], data[start + size :]


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY_FROM else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the validity has no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
