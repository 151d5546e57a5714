"""What a candidate decides, from what it has seen and its own clock."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kube.leasing import (
    Create,
    Lease,
    LeaseOptions,
    Look,
    Renew,
    Standing,
    Take,
    Wait,
    doubt,
    lose,
    plan,
    see,
    win,
)

ME = LeaseOptions("default", "reconciler", "me")
THEIRS = Lease("other", 15, "a", "r1", 3, "10", "u1")
OURS = replace(THEIRS, holder="me")
FREE = replace(THEIRS, holder="")

times = st.floats(0, 1e6)
words = st.sampled_from(["", "1", "2", "3"])
leases = st.builds(
    Lease,
    holder=st.sampled_from(["", "me", "other"]),
    duration=st.integers(1, 60),
    acquired=words,
    renewed=words,
    transitions=st.integers(0, 5),
    version=words,
    uid=words,
)


def test_who_knows_nothing_looks() -> None:
    assert plan(Standing(), 5, ME) == Look()
    assert plan(doubt(see(Standing(), OURS, 5, ME)), 5, ME) == Look()


def test_a_lease_that_is_not_there_is_made_by_who_has_never_seen_one() -> None:
    assert plan(see(Standing(), None, 5, ME), 5, ME) == Create()


def test_a_lease_that_has_vanished_is_not_made_anew_before_its_last_holder_must_have_stopped() -> (
    None
):
    vanished = see(see(Standing(), THEIRS, 5, ME), None, 10, ME)
    still = see(vanished, None, 12, ME)

    assert plan(vanished, 10, ME) == Wait(15)
    assert plan(still, 12, ME) == Wait(13)
    assert plan(still, 25, ME) == Create()


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    assert plan(see(Standing(), FREE, 5, ME), 5, ME) == Take(FREE)


def test_a_lease_is_taken_when_it_was_seen_unchanged_for_its_duration() -> None:
    seen = see(Standing(), THEIRS, 100, ME)
    again = see(seen, THEIRS, 110, ME)

    assert plan(again, 114, ME) == Wait(1)
    assert plan(again, 115, ME) == Take(THEIRS)


@pytest.mark.parametrize(
    "changed",
    [
        replace(THEIRS, renewed="another"),
        replace(THEIRS, version="another"),
        replace(THEIRS, acquired="another"),
        replace(THEIRS, uid="another"),
    ],
)
def test_whatever_changes_in_a_lease_begins_the_wait_anew(changed: Lease) -> None:

    seen = see(see(Standing(), THEIRS, 100, ME), changed, 114, ME)

    assert plan(seen, 120, ME) == Wait(9)


def test_who_promised_a_longer_duration_is_given_it() -> None:
    seen = see(Standing(), replace(THEIRS, duration=60), 100, ME)

    assert plan(seen, 115, ME) == Wait(45)


def test_a_lease_that_has_vanished_promised_its_holder_what_is_promised_to_us() -> None:
    short = replace(ME, duration=0.5, deadline=0.4, retry=0.3)

    vanished = see(see(Standing(), THEIRS, 100, short), None, 101, short)

    assert plan(vanished, 101, short) == Wait(0.5)


def test_what_is_ours_is_renewed() -> None:
    assert plan(see(Standing(), OURS, 5, ME), 500, ME) == Renew(OURS)


def test_who_leads_may_act_from_before_its_request_until_the_deadline() -> None:
    standing = win(Standing(), OURS, 100, ME)

    assert standing == Standing(is_known=True, lease=OURS, seen_at=100, until=110)
    assert standing.may_act(109.9)
    assert not standing.may_act(110)
    assert not Standing().may_act(0)


def test_an_answer_that_did_not_come_neither_ends_nor_prolongs_a_term() -> None:
    standing = doubt(win(Standing(), OURS, 100, ME))

    assert standing.may_act(109)
    assert not standing.may_act(110)
    assert see(standing, OURS, 105, ME).may_act(109)


def test_who_sees_another_holder_may_not_act_any_more() -> None:
    standing = win(Standing(), OURS, 100, ME)

    assert not see(standing, THEIRS, 101, ME).may_act(101)
    assert not see(standing, FREE, 101, ME).may_act(101)
    assert not see(standing, None, 101, ME).may_act(101)
    assert lose(standing) == Standing(is_known=False, lease=OURS, seen_at=100)


def test_an_answer_that_names_another_holder_wins_nothing() -> None:
    assert not win(Standing(), THEIRS, 100, ME).may_act(100)


@given(st.lists(st.tuples(leases | st.none(), st.floats(0, 100)), min_size=1), times)
def test_a_lease_of_another_is_never_taken_sooner_than_its_duration_after_its_last_change(
    looks: list[tuple[Lease | None, float]], begin: float
) -> None:
    standing, now, changed = Standing(), begin, begin
    for lease, pause in looks:
        now += pause
        if standing.is_known and lease != standing.lease:
            changed = now
        standing = see(standing, lease, now, ME)

    step = plan(standing, now, ME)

    if isinstance(step, Take) and step.lease.holder:
        assert now - changed >= max(ME.duration, step.lease.duration) - 1e-6
    assert not isinstance(step, Renew) or step.lease.holder == "me"
    assert not isinstance(step, Wait) or step.seconds > 0
