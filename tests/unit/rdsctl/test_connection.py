from argparse import Namespace
from pathlib import Path

import pytest

from libs.csikit.endpoint import TcpAddress
from rdsctl.connection import BadSettings, resolve

TLS = {"tls_cert": "a.crt", "tls_key": "a.key", "tls_ca": "ca.crt"}


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("unix:///run/a.sock", Path("/run/a.sock")),
        ("/run/a.sock", Path("/run/a.sock")),
        ("host.example:9443", TcpAddress("host.example", 9443)),
        ("tcp://[::1]:9443", TcpAddress("::1", 9443)),
        ("127.0.0.1:9443", TcpAddress("127.0.0.1", 9443)),
    ],
)
def test_endpoints_are_sockets_or_hosts_with_ports(
    endpoint: str, address: Path | TcpAddress
) -> None:
    assert resolve(Namespace(endpoint=endpoint, **TLS), {}).address == address


@pytest.mark.parametrize("endpoint", ["host", "host:", ":9443", "host:0", "ftp://host:1", "unix:a"])
def test_an_endpoint_that_is_neither_is_named_with_its_source(endpoint: str) -> None:
    with pytest.raises(BadSettings, match="RDSCTL_ENDPOINT"):
        resolve(Namespace(), {"RDSCTL_ENDPOINT": endpoint, "RDSCTL_PLAINTEXT": "1"})


def test_an_endpoint_that_is_not_given_is_asked_for_with_all_ways_to_give_it() -> None:
    with pytest.raises(BadSettings) as caught:
        resolve(Namespace(), {"HOME": "/home/a"})

    for way in ("--endpoint", "RDSCTL_ENDPOINT", "/home/a/.config/rdsctl/config.toml"):
        assert way in caught.value.hint


def test_elsewhere_needs_a_certificate_or_an_explicit_plaintext() -> None:
    with pytest.raises(BadSettings, match="there is no certificate for it"):
        resolve(Namespace(endpoint="host.example:1"), {})

    assert resolve(Namespace(endpoint="host.example:1", plaintext=True), {}).tls is None
    assert resolve(Namespace(endpoint="127.0.0.1:1"), {}).tls is None


@pytest.mark.parametrize("missing", list(TLS))
def test_a_certificate_its_key_and_the_authority_go_together(missing: str) -> None:
    given = {name: path for name, path in TLS.items() if name != missing}

    with pytest.raises(BadSettings, match=f"missing: --{missing.replace('_', '-')}"):
        resolve(Namespace(endpoint="host.example:1", **given), {})


def test_a_unix_socket_needs_no_certificate_and_shows_none() -> None:
    assert resolve(Namespace(endpoint="/a.sock", **TLS), {}).tls is None


@pytest.mark.parametrize(
    ("variable", "value"), [("RDSCTL_TIMEOUT", "soon"), ("RDSCTL_PLAINTEXT", "perhaps")]
)
def test_a_variable_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(BadSettings, match=variable):
        resolve(Namespace(endpoint="host.example:1"), {"RDSCTL_PLAINTEXT": "yes", variable: value})


def test_a_variable_that_is_empty_says_nothing() -> None:
    connection = resolve(Namespace(endpoint="/a.sock"), {"RDSCTL_TIMEOUT": ""}, 300.0)

    assert connection.timeout == 300.0
