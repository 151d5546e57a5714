import pytest
from grpclib import GRPCError
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from libs.csikit.callers import check_allowed, names_of

CERTIFICATE = {
    "subject": ((("organizationName", "SREs"),), (("commonName", "sre"),)),
    "subjectAltName": (
        ("DNS", "sre.example.org"),
        ("IP Address", "192.0.2.1"),
        ("URI", "spiffe://cluster/sre"),
    ),
}
NAMES = st.lists(st.sampled_from("abcdef"), max_size=4)


def test_the_names_of_a_certificate_are_its_uris_dns_names_and_common_name() -> None:
    assert names_of(CERTIFICATE) == ("spiffe://cluster/sre", "sre.example.org", "sre")


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
def test_a_certificate_without_names_has_none(certificate: dict[str, object] | None) -> None:
    assert names_of(certificate) == ()


@given(NAMES, NAMES)
def test_who_has_none_of_the_names_may_not_call(names: list[str], allowed: list[str]) -> None:
    may = not allowed or any(name in allowed for name in names)

    if may:
        check_allowed(names, allowed)
        return
    with pytest.raises(GRPCError) as caught:
        check_allowed(names, allowed)
    assert caught.value.status is Status.PERMISSION_DENIED
