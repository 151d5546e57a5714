"""Which Lease, and the times that make two leaders impossible."""

from dataclasses import replace

import pytest

from libs.core.errors import InvalidRequest
from libs.kube.leasing import LeaseOptions

OPTIONS = LeaseOptions("ns", "lease", "pod-1")


def test_a_lease_is_promised_for_15_seconds_held_for_10_and_renewed_every_2() -> None:
    assert LeaseOptions("ns", "lease", "pod-1", 15.0, 10.0, 2.0) == OPTIONS


def test_a_leader_may_renew_more_often_than_once_a_second() -> None:
    assert replace(OPTIONS, retry=0.5).retry == 0.5


def test_a_lease_is_found_in_its_namespace() -> None:
    assert OPTIONS.path == "/apis/coordination.k8s.io/v1/namespaces/ns/leases/lease"


@pytest.mark.parametrize(
    "changes",
    [{"duration": 10.0}, {"deadline": 2.0}, {"retry": 0.0}, {"duration": 5.0}],
)
def test_a_leader_stops_before_others_may_begin_and_tries_before_it_stops(
    changes: dict[str, float],
) -> None:
    with pytest.raises(InvalidRequest, match="must be longer than"):
        replace(OPTIONS, **changes)  # type: ignore[arg-type] # all of them are times


def test_a_candidate_has_a_name() -> None:
    with pytest.raises(InvalidRequest, match="must not be empty"):
        replace(OPTIONS, identity="")
