"""How a live migration ends, told from who gives the volume back."""

import pytest

from libs.core.ids import NodeId
from services.controller.happenings import Migration
from services.controller.plan.migration import migration_ended
from services.controller.ports import Attachment

NOW = 1000.0


def claim(node: str, since: float, *, attached: bool = True, read_only: bool = False) -> Attachment:
    return Attachment(node, attached, (f"{since:08}", node), since, read_only, node)


SOURCE, TARGET = claim("a", 100), claim("b", 940)


def test_it_is_complete_when_the_older_holder_leaves() -> None:
    end = migration_ended(NodeId("a"), [SOURCE, TARGET], NOW)

    assert end == (Migration.COMPLETED, "b", 60)


def test_it_is_given_up_when_the_younger_holder_leaves() -> None:
    end = migration_ended(NodeId("b"), [TARGET, SOURCE], NOW)

    assert end == (Migration.ABANDONED, "a", 60)


@pytest.mark.parametrize(
    ("node", "held"),
    [
        ("a", [SOURCE]),
        ("c", [SOURCE, TARGET]),
        ("a", []),
        ("a", [SOURCE, claim("b", 940, attached=False)]),
        ("a", [SOURCE, claim("b", 940, read_only=True)]),
    ],
    ids=["alone", "a third", "nobody", "a claim that waits", "a reader"],
)
def test_where_no_two_writers_have_it_no_migration_ends(node: str, held: list[Attachment]) -> None:
    assert migration_ended(NodeId(node), held, NOW) is None


def test_taking_it_from_all_ends_no_migration() -> None:
    assert migration_ended(None, [SOURCE, TARGET], NOW) is None


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    end = migration_ended(NodeId("a"), [SOURCE, TARGET], 900.0)

    assert end == (Migration.COMPLETED, "b", 0)
