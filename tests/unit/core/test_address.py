"""Addresses and ports as settings and classes give them."""

import pytest

from libs.core.address import parse_host, parse_port
from libs.core.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.2", "10.0.0.2"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("rds-1.storage.example", "rds-1.storage.example"),
        ("r", "r"),
    ],
)
def test_a_host_is_an_address_in_its_short_form_or_a_name(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize("text", ["", "a b", "-rds", "rds.", "fe80::1%eth0", "x" * 254, "rds\n"])
def test_what_is_neither_a_name_nor_an_address_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest, match="rdsAddress must be a host name or an IP address"):
        parse_host(text, "rdsAddress")


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("4420", 4420), ("65535", 65535)])
def test_a_port_is_a_number_up_to_the_largest(text: str, port: int) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "+22", "2 2", "22\n", "99999999999", "²"])
def test_what_is_no_port_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest, match="nvmePort must be a TCP port from 1 to 65535"):
        parse_port(text, "nvmePort")
