import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest, OutOfRange
from libs.core.size import (
    GIB,
    GRANULE,
    MAX_BYTES,
    MIB,
    TIB,
    CapacityRange,
    format_bytes,
    round_down,
    round_up,
)

sizes = st.integers(min_value=0, max_value=2**63 - 1)


@given(sizes)
def test_rounding_up_adds_less_than_a_granule_and_never_takes_away(size: int) -> None:
    rounded = round_up(size)

    assert rounded % GRANULE == 0
    assert size <= rounded < size + GRANULE


@given(sizes)
def test_rounding_down_takes_away_less_than_a_granule(size: int) -> None:
    assert size - GRANULE < round_down(size) <= size


def test_a_byte_over_one_and_a_half_gibibytes_gets_at_least_that() -> None:
    asked = GIB + GIB // 2 + 1

    assert CapacityRange(asked).choose(default=GIB, minimum=MIB, maximum=TIB) == asked - 1 + GRANULE


@given(sizes, sizes, sizes)
def test_a_chosen_size_is_always_within_the_range(required: int, limit: int, maximum: int) -> None:
    try:
        asked = CapacityRange(required, limit)
        size = asked.choose(default=GIB, minimum=16 * MIB, maximum=maximum)
    except (InvalidRequest, OutOfRange):
        return

    assert asked.admits(size)
    assert 16 * MIB <= size <= maximum
    assert size % GRANULE == 0


def test_without_a_requirement_the_default_is_used_as_far_as_the_limit_allows() -> None:
    assert CapacityRange().choose(default=GIB, minimum=MIB, maximum=TIB) == GIB
    assert CapacityRange(0, 2 * MIB + 1).choose(default=GIB, minimum=MIB, maximum=TIB) == 2 * MIB


def test_a_small_requirement_is_raised_to_the_minimum() -> None:
    assert CapacityRange(1).choose(default=GIB, minimum=16 * MIB, maximum=TIB) == 16 * MIB


@pytest.mark.parametrize(
    ("required", "limit"), [(TIB + 1, 0), (2**63 - 1, 0), (GIB + 1, GIB + 2), (1, MIB), (0, MIB)]
)
def test_a_range_without_a_possible_size_is_out_of_range(required: int, limit: int) -> None:
    with pytest.raises(OutOfRange, match="capacity_range"):
        CapacityRange(required, limit).choose(default=GIB, minimum=16 * MIB, maximum=TIB)


@pytest.mark.parametrize(("required", "limit"), [(-1, 0), (0, -1), (2, 1)])
def test_a_range_that_makes_no_sense_is_invalid(required: int, limit: int) -> None:
    with pytest.raises(InvalidRequest, match="capacity_range"):
        CapacityRange(required, limit)


def test_the_largest_size_fits_the_wire() -> None:
    assert MAX_BYTES <= 2**63 - 1
    assert MAX_BYTES % GRANULE == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (GIB, "1 GiB"),
        (GIB + GIB // 2, "1.50 GiB"),
        (4 * MIB, "4 MiB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text
