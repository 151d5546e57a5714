from pathlib import Path

import pytest

from libs.csikit.endpoint import TcpAddress
from libs.csikit.exposure import Exposure, parse_names, parse_optional_address

SOCKET = Path("/run/admin.sock")
OPEN = TcpAddress("0.0.0.0", 9810)  # noqa: S104 (that is the point)
FILES = (Path("/c"), Path("/k"), Path("/a"))


@pytest.mark.parametrize(
    "exposure",
    [
        Exposure(None),
        Exposure(SOCKET),
        Exposure(TcpAddress("127.0.0.1", 9810)),
        Exposure(TcpAddress("localhost", 9810)),
        Exposure(TcpAddress("::1", 9810)),
        Exposure(OPEN, insecure=True),
        Exposure(OPEN, *FILES),
        Exposure(OPEN, *FILES, ("reconciler",)),
    ],
)
def test_an_admin_api_may_be_served_where_only_this_machine_or_certificates_get_in(
    exposure: Exposure,
) -> None:
    assert list(exposure.problems()) == []


@pytest.mark.parametrize(
    ("exposure", "words"),
    [
        (Exposure(OPEN), "are required at an address that others reach"),
        (Exposure(TcpAddress("", 9810)), "are required at an address that others reach"),
        (Exposure(TcpAddress("node.example.org", 9810)), "that others reach"),
        (Exposure(OPEN, certificate=Path("/c")), "are required together"),
        (Exposure(OPEN, certificate=Path("/c"), key=Path("/k"), insecure=True), "together"),
        (Exposure(SOCKET, *FILES), "is for a tcp:// endpoint"),
        (Exposure(SOCKET, allowed=("a",)), "names come from certificates"),
        (Exposure(OPEN, insecure=True, allowed=("a",)), "names come from certificates"),
    ],
)
def test_settings_that_leave_it_open_or_make_no_sense_are_named(
    exposure: Exposure, words: str
) -> None:
    (problem,) = exposure.problems()

    assert words in problem


def test_only_all_three_files_make_tls() -> None:
    whole = Exposure(OPEN, *FILES).tls

    assert whole is not None
    assert (whole.certificate, whole.key, whole.authority) == FILES
    assert Exposure(OPEN, certificate=Path("/c")).tls is None


def test_an_empty_setting_serves_nothing_and_names_are_separated_by_commas() -> None:
    assert parse_optional_address("") is None
    assert parse_optional_address("tcp://[::1]:9810") == TcpAddress("::1", 9810)
    assert parse_names(" a , spiffe://b,") == ("a", "spiffe://b")
