"""Who else has a volume, and who came first."""

import pytest

from libs.core.errors import InUse
from libs.core.ids import NodeId
from services.controller.plan.holders import (
    MIGRATION_NODES,
    by_age,
    check_holders,
    holders_before,
    holders_beside,
)
from services.controller.ports import Attachment
from tests.unit.controller.values import NOW, Mode, claim, publication


@pytest.mark.parametrize(
    ("held", "others"),
    [
        ([], set()),
        ([claim("worker-1")], set()),
        ([claim("worker-2")], {"worker-2"}),
        ([claim("worker-2", attached=False)], set()),
        ([claim("worker-2", 1, attached=False), claim("worker-1", 2)], {"worker-2"}),
        ([claim("worker-2", 3, attached=False), claim("worker-1", 2)], set()),
        (
            [
                claim("worker-2", 3, attached=False),
                claim("worker-1", 2),
                claim("worker-1", 4),
            ],
            set(),
        ),
    ],
    ids=["nobody", "itself", "attached", "waits alone", "is older", "is younger", "in between"],
)
def test_others_have_a_volume_that_are_attached_or_came_first(
    held: list[Attachment], others: set[str]
) -> None:
    assert holders_beside(publication("worker-1"), held) == others


@pytest.mark.parametrize(
    ("held", "before"),
    [
        ([], []),
        ([claim("worker-1")], []),
        ([claim("worker-2")], ["worker-2"]),
        ([claim("worker-2", 1, attached=False), claim("worker-1", 2)], []),
        ([claim("worker-2", 1), claim("worker-1", 2)], ["worker-2"]),
        ([claim("worker-2", 2), claim("worker-1", 1)], []),
        ([claim("worker-2", 2), claim("worker-1", 1), claim("worker-1", 3)], []),
        (
            [claim("worker-2", 3), claim("worker-3", 1), claim("worker-1", 4)],
            ["worker-3", "worker-2"],
        ),
    ],
    ids=["nobody", "itself", "alone", "waits", "came first", "came later", "in between", "several"],
)
def test_others_had_a_volume_that_are_attached_and_came_first(
    held: list[Attachment], before: list[str]
) -> None:
    assert holders_before(NodeId.parse("worker-1"), held) == before
    assert holders_before(None, held) == []


def test_nodes_are_put_in_the_order_in_which_they_came_and_each_once() -> None:
    held = [claim("b", 3), claim("a", 2), claim("b", 1), claim("c", 0)]

    assert by_age(held) == ["c", "b", "a"]


def test_of_two_claims_that_wait_the_older_one_goes_first() -> None:
    older, younger = claim("worker-1", 1, attached=False), claim("worker-2", 2, attached=False)

    check_holders(publication("worker-1"), (older, younger), NOW)
    with pytest.raises(InUse, match="attached to worker-1 and cannot"):
        check_holders(publication("worker-2"), (older, younger), NOW)


def test_whose_claim_was_granted_waits_for_nobody_who_is_not_attached() -> None:
    check_holders(
        publication("worker-1"), (claim("worker-1", 2), claim("worker-2", 1, attached=False)), NOW
    )


def test_of_several_claims_of_a_node_its_oldest_counts() -> None:
    own = [claim("worker-1", order, attached=False) for order in (3, 1)]

    check_holders(publication("worker-1"), (*own, claim("worker-2", 2, attached=False)), NOW)


def test_a_node_without_a_claim_waits_for_whoever_has_one() -> None:
    with pytest.raises(InUse, match="worker-2"):
        check_holders(publication("worker-1"), (claim("worker-2", 9, attached=False),), NOW)


def test_a_migration_has_two_ends() -> None:
    wanted = publication("worker-1", Mode.MULTI_NODE_MULTI_WRITER, raw=True)

    assert MIGRATION_NODES == 2
    with pytest.raises(InUse, match="two ends"):
        check_holders(wanted, (claim("worker-2"), claim("worker-3"), claim("worker-1")), NOW)
