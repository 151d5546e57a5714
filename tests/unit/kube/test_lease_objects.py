"""What a candidate writes into a Lease, and what it reads in one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kube.leasing import (
    Lease,
    LeaseOptions,
    held,
    micro_time,
    read_lease,
    released,
    render_change,
    render_new,
)

ME = LeaseOptions("ns", "reconciler", "me", duration=15.5)
NOW = "1970-01-01T00:00:01.500000Z"
THEIRS = Lease("other", 30, "a", "r", 3, "10", "u1")
OURS = replace(THEIRS, holder="me")

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


@pytest.mark.parametrize(
    ("old", "written"),
    [
        (None, Lease("me", 16, NOW, NOW, 0, "", "")),
        (THEIRS, Lease("me", 16, NOW, NOW, 4, "10", "u1")),
        (replace(THEIRS, holder=""), Lease("me", 16, NOW, NOW, 4, "10", "u1")),
        (OURS, Lease("me", 16, "a", NOW, 3, "10", "u1")),
        (replace(OURS, acquired=""), Lease("me", 16, NOW, NOW, 3, "10", "u1")),
    ],
    ids=["new", "taken", "free", "renewed", "renewed without a beginning"],
)
def test_a_takeover_is_counted_and_dated_and_a_renewal_is_not(
    old: Lease | None, written: Lease
) -> None:
    assert held(old, ME, 1.5) == written


def test_what_is_given_back_has_no_holder_and_is_promised_to_nobody() -> None:
    assert released(OURS, 1.5) == Lease("", 1, "a", NOW, 3, "10", "u1")


def test_a_change_names_the_very_lease_that_was_read() -> None:
    assert render_change(OURS) == {
        "metadata": {"uid": "u1", "resourceVersion": "10"},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 30,
            "acquireTime": "a",
            "renewTime": "r",
            "leaseTransitions": 3,
        },
    }


def test_a_change_does_not_name_what_is_not_known() -> None:
    change = render_change(Lease("me", 15, "", "r", 0, "", ""))

    assert change == {
        "metadata": {},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "acquireTime": None,
            "renewTime": "r",
            "leaseTransitions": 0,
        },
    }


def test_a_new_lease_is_a_whole_object() -> None:
    made = render_new(OURS, ME)

    assert made == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "reconciler", "namespace": "ns"},
        "spec": render_change(OURS)["spec"],
    }


def test_a_whole_second_has_six_digits_too() -> None:
    assert micro_time(1_767_225_600) == "2026-01-01T00:00:00.000000Z"


@given(leases)
def test_a_lease_that_was_written_is_read_as_it_was(lease: Lease) -> None:
    item = render_new(lease, ME)
    item["metadata"] |= {"resourceVersion": lease.version, "uid": lease.uid}

    assert read_lease(item) == lease


@pytest.mark.parametrize(
    "item", [{}, {"spec": None, "metadata": None}, {"spec": {"holderIdentity": None}}]
)
def test_a_lease_that_says_nothing_has_no_holder(item: dict[str, Any]) -> None:
    assert read_lease(item) == Lease("", 0, "", "", 0, "", "")
