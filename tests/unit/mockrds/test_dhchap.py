"""What counts as a DH-CHAP secret already, and is left as it is."""

import pytest

from libs.mockrds.dhchap import secret_of


@pytest.mark.parametrize(
    ("password", "is_secret"),
    [
        (f"DHHC-1:00:{'+' * 43}:", True),
        (f"DHHC-1:03:{'/' * 96}==:", True),
        (f"DHHC-1:00:{'a' * 42}:", False),
        (f"DHHC-1:00:{'a' * 97}:", False),
        (f"DHHC-1:00:{'a' * 43}===:", False),
        (f"DHHC-1:00:{'a' * 43}:x", False),
        (f"DHHC-1:04:{'a' * 43}:", False),
    ],
)
def test_a_password_in_the_form_of_a_secret_is_one_and_no_other(
    password: str,
    is_secret: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert (secret_of(password) == password) is is_secret
