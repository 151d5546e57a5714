"""When certificates end."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.ops.x509 import read_ends

KEY = ec.generate_private_key(ec.SECP256R1())
FIRST = datetime(1951, 1, 1, tzinfo=UTC)


def certificate(end: datetime, name: str = "x") -> str:
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(who, who, KEY.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(FIRST).not_valid_after(end).sign(KEY, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@given(
    end=st.datetimes(datetime(1951, 1, 2), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 (bounds are naive)
    name=st.text("abc", min_size=1, max_size=64),
)
def test_the_end_is_what_was_signed(end: datetime, name: str) -> None:
    end = end.replace(microsecond=0)

    assert read_ends(certificate(end, name)) == (end,)


def test_of_several_certificates_each_is_read_and_text_between_them_is_passed_over() -> None:
    ends = (datetime(2030, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC))

    found = read_ends("an authority\n" + "\nanother one\n".join(map(certificate, ends)))

    assert found == ends


@pytest.mark.parametrize("text", ["", "nothing of the kind", "-----BEGIN PRIVATE KEY-----"])
def test_a_text_without_a_certificate_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no certificate"):
        read_ends(text)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_ends(ssl.DER_cert_to_PEM_cert(noise))


@given(st.integers(0, 120))
def test_a_certificate_that_breaks_off_before_its_validity_is_refused(kept: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate(datetime(2030, 1, 1, tzinfo=UTC)))

    with pytest.raises(InvalidRequest):
        read_ends(ssl.DER_cert_to_PEM_cert(der[:kept]))
