"""Certificates that are none: whatever is in a file is read to its end or refused."""

import ssl

import pytest

from libs.core.errors import InvalidRequest
from libs.ops.x509 import read_ends

SEQUENCE, INTEGER, UTC_TIME, VERSION = b"\x30", b"\x02", b"\x17", b"\xa0"


def element(tag: bytes, content: bytes = b"") -> bytes:
    return tag + bytes([len(content)]) + content


def certificate(*fields: bytes, of: bytes = SEQUENCE) -> str:
    signed = element(of, b"".join(fields))
    return ssl.DER_cert_to_PEM_cert(element(SEQUENCE, signed))


def validity(tag: bytes, text: bytes) -> bytes:
    return element(SEQUENCE, element(UTC_TIME, b"250101000000Z") + element(tag, text))


BEFORE = (element(INTEGER, b"\x01"), element(SEQUENCE), element(SEQUENCE))


def test_a_certificate_of_the_first_version_says_no_version() -> None:
    without = read_ends(certificate(*BEFORE, validity(UTC_TIME, b"300101000000Z")))
    version = element(VERSION, element(INTEGER, b"\x02"))

    assert without == read_ends(certificate(version, *BEFORE, validity(UTC_TIME, b"300101000000Z")))
    assert without[0].year == 2030


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("-----BEGIN CERTIFICATE-----\nMAA=\n", "a certificate breaks off"),
        (certificate(of=INTEGER), "this is not a certificate"),
        (certificate(*BEFORE, validity(INTEGER, b"1")), "the validity has no time"),
        (ssl.DER_cert_to_PEM_cert(b"\x30\x89" + b"\x01" * 9), "a length has a form"),
        (ssl.DER_cert_to_PEM_cert(b"\x30\x85" + b"\x00" * 5), "a length has a form"),
        (ssl.DER_cert_to_PEM_cert(b"\x30\x80"), "a length has a form"),
        (ssl.DER_cert_to_PEM_cert(b"\x30\x05\x30"), "an element breaks off"),
    ],
)
def test_what_is_no_certificate_is_refused_and_the_log_has_why(pem: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_ends(pem)

    assert why in caught.value.detail


@pytest.mark.parametrize(
    ("text", "year"), [(b"491231235959Z", 2049), (b"500101000000Z", 1950), (b"991231235959Z", 1999)]
)
def test_two_digits_of_a_year_are_of_the_century_that_the_rfc_says(text: bytes, year: int) -> None:
    assert read_ends(certificate(*BEFORE, validity(UTC_TIME, text)))[0].year == year


def test_a_length_is_read_up_to_four_bytes_of_it() -> None:
    short = ssl.PEM_cert_to_DER_cert(certificate(*BEFORE, validity(UTC_TIME, b"300101000000Z")))
    inner = short[2:]

    found = read_ends(ssl.DER_cert_to_PEM_cert(b"\x30\x84" + len(inner).to_bytes(4) + inner))

    assert found == read_ends(ssl.DER_cert_to_PEM_cert(short))


@pytest.mark.parametrize("serial", [b"\x01", b"\x01\x01", b"\x01\x01\x01"])
def test_a_certificate_ends_where_it_first_says_so(serial: bytes) -> None:
    number = element(INTEGER, serial)
    pem = certificate(number, *BEFORE[1:], validity(UTC_TIME, b"300101000000Z"))

    found = read_ends(f"{pem}a-----END CERTIFICATE-----")

    assert found == read_ends(pem)
