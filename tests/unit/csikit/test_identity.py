import pytest

from libs.core.errors import InvalidRequest
from libs.csikit.identity import IdentityServicer


@pytest.mark.parametrize("name", ["rds.csi.example.org", "a", "A-1", "x" * 63])
def test_a_drivers_name_is_like_that_of_a_domain(name: str) -> None:
    IdentityServicer(name, (), ready=lambda: True)


@pytest.mark.parametrize("name", ["", ".a", "a-", "a_b", "a b", "x" * 64, "a\n", "ä"])
def test_a_name_that_the_specification_forbids_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(InvalidRequest, match="63"):
        IdentityServicer(name, (), ready=lambda: True)
