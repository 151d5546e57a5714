"""What somebody who looks at a claim is told to do."""

import pytest

from libs.core import errors
from libs.core.errors import RdsCsiError
from services.controller.plan.advice import next_step
from services.controller.plan.migration import Held


def families() -> list[type[RdsCsiError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, RdsCsiError)
    ]


@pytest.mark.parametrize("family", families())
def test_every_family_of_errors_has_a_next_step(family: type[RdsCsiError]) -> None:
    step = next_step(family("it failed"))

    assert step.endswith(".")
    assert step[0].isupper()


def test_a_subclass_is_advised_as_its_family_is() -> None:
    assert next_step(Held("other nodes have it")) == next_step(errors.InUse("it is in use"))


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (errors.Exhausted, "Free room on the device"),
        (errors.OutOfRange, "a size within the limits"),
        (errors.InvalidRequest, "StorageClass"),
        (errors.Unreachable, "rdsctl status"),
        (errors.OutcomeUnknown, "the next try finds out"),
    ],
)
def test_what_is_advised_fits_what_failed(family: type[RdsCsiError], words: str) -> None:
    assert words in next_step(family("it failed"))
