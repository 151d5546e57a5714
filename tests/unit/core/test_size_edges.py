"""Sizes at their edges."""

import pytest

from libs.core.errors import OutOfRange
from libs.core.size import GIB, GRANULE, KIB, MAX_BYTES, MIB, TIB, CapacityRange, format_bytes


def test_sizes_are_what_they_are_called() -> None:
    assert (KIB, MIB, GIB, TIB) == (2**10, 2**20, 2**30, 2**40)
    assert (GRANULE, MAX_BYTES) == (4096, 2**63 - 4096)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (KIB, "1 KiB"),
        (KIB + 512, "1.50 KiB"),
        (3 * TIB, "3 TiB"),
        (1, "1 bytes"),
        (-2 * MIB, "-2 MiB"),
    ],
)
def test_a_size_is_written_in_its_largest_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("required", "limit", "size", "admitted"),
    [(5, 5, 5, True), (5, 0, 5, True), (5, 0, 4, False), (0, 5, 6, False), (0, 0, 0, True)],
)
def test_a_range_admits_what_lies_in_it(
    required: int,
    limit: int,
    size: int,
    admitted: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert CapacityRange(required, limit).admits(size) is admitted


def test_the_largest_possible_size_is_given_and_no_larger_one() -> None:
    limits = {"default": GIB, "minimum": MIB, "maximum": TIB}

    assert CapacityRange(TIB, TIB).choose(**limits) == TIB
    with pytest.raises(OutOfRange, match=r"asks for 1.00 TiB \(1099511631872\), more than"):
        CapacityRange(TIB + 1).choose(**limits)
    with pytest.raises(OutOfRange, match="limit_bytes"):
        CapacityRange(0, GRANULE - 1).choose(**{**limits, "minimum": 0})
