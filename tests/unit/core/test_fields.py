"""Single values of string maps."""

import pytest

from libs.core.errors import InvalidRequest
from libs.core.fields import read, whole_seconds, word


def test_a_value_that_is_not_given_is_the_default_as_it_is() -> None:
    assert read({}, "delay", whole_seconds(1, 9), -5) == -5


def test_a_value_that_is_given_is_parsed() -> None:
    assert read({"delay": "9"}, "delay", whole_seconds(1, 9), 5) == 9


def test_an_error_names_the_map_and_the_key() -> None:
    with pytest.raises(InvalidRequest, match=r"^volume_context\.delay must be"):
        read({"delay": "x"}, "delay", whole_seconds(1, 9), 5, "volume_context")


@pytest.mark.parametrize("text", ["", "0", "10", "1.0", " 1", "+1", "1s", "٣", "1" * 10])
def test_what_is_not_a_whole_number_within_the_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="a whole number of seconds from 1 to 9"):
        whole_seconds(1, 9)(text, "parameters.delay")


def test_a_number_may_be_negative_where_the_bounds_are() -> None:
    assert whole_seconds(-1, 5)("-1", "parameters.ctrlLossTmo") == -1


def test_a_word_is_one_of_those_that_there_are() -> None:
    assert word("file", "parameters.layout", ("file", "subvolume")) == "file"


def test_another_word_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match="layout must be one of file, subvolume, not"):
        word("File", "parameters.layout", ("file", "subvolume"))
