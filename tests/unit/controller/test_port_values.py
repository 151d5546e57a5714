"""The values that cross the controller's ports: what is so of them where nothing is said."""

from services.controller.ports import Attachment, Grant, KnownClaim, Node


def test_a_claim_of_which_nothing_else_is_said_is_to_write_and_of_no_known_time() -> None:
    claim = Attachment("node", attached=True, order=("", ""))

    assert (claim.since, claim.read_only, claim.id) == (0.0, False, "")


def test_a_publication_of_which_nothing_is_said_is_to_write_and_answers_no_claim() -> None:
    assert Grant() == Grant(use="", read_only=False, claims=())


def test_a_known_claim_counts_and_has_a_volume_where_nothing_else_is_said() -> None:
    claim = KnownClaim("volume", Attachment("node", attached=True, order=("", "")))

    assert (claim.released, claim.name, claim.volume_known) == (False, "", True)


def test_a_node_has_no_nqn_until_something_says_it() -> None:
    assert not Node("node").host_nqn
