"""How Kubernetes' quantities are read."""

import pytest

from libs.kube.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1073741824", 1 << 30),
        ("+5", 5),
        ("1.", 1),
        (".5Ki", 512),
        ("1.5Gi", 3 << 29),
        ("1k", 1000),
        ("1Ki", 1 << 10),
        ("2M", 2 * 10**6),
        ("2Mi", 2 << 20),
        ("3G", 3 * 10**9),
        ("3Gi", 3 << 30),
        ("4T", 4 * 10**12),
        ("4Ti", 4 << 40),
        ("5P", 5 * 10**15),
        ("5Pi", 5 << 50),
        ("6E", 6 * 10**18),
        ("6Ei", 6 << 60),
        ("1e9", 10**9),
        ("12E6", 12 * 10**6),
        ("1.5e+3", 1500),
        ("15e-1", 2),
        ("5e12", 5 * 10**12),
    ],
)
def test_a_quantity_is_read_in_bytes(text: str, size: int) -> None:
    found = parse_quantity(text)

    assert found == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("2000m", 2), ("2001m", 3), ("3000000u", 3), ("4000000000n", 4), ("1n", 1), ("0.1", 1)],
)
def test_a_part_of_a_byte_is_a_byte(text: str, size: int) -> None:
    found = parse_quantity(text)

    assert found == size


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "1 Gi", "1gi", "1K", "1KiB", "Gi", "1e", "1e+", "1e100", "1.2.3", "٣"]
)
def test_what_is_no_quantity_is_none(text: str) -> None:
    found = parse_quantity(text)

    assert found is None
