from dataclasses import replace

import pytest
from hypothesis import given, settings

from libs.core.errors import RdsCsiError
from libs.nvmeof.model import Connection, LinkState
from services.node.plan.condition import judge
from services.node.plan.stage import Place, Seen, next_step
from services.node.volume import Publication, Record
from tests.unit.node.values import DEVICES, NQN, RECORD, STAGING, TARGETS, USE, cases, mount_at

LIVE = Connection(NQN.text, LinkState.LIVE, DEVICES[0])
SOUND = Seen(LIVE, mount_at(STAGING))
PUBLISHED = Record(USE, None, (Publication(TARGETS[0]),))


@settings(max_examples=100)
@given(cases)
def test_every_volume_has_a_condition_and_a_sound_one_needs_nothing(
    case: tuple[Record, Seen],
) -> None:
    record, seen = case
    condition = judge(record, seen)

    assert condition.text
    assert not (condition.stale and not condition.abnormal)
    if not condition.abnormal:
        assert seen.connection is not None
        assert seen.connection.device is not None
        assert not condition.repairable


@settings(max_examples=100)
@given(cases)
def test_what_is_in_order_by_the_plan_is_in_order_by_its_condition(
    case: tuple[Record, Seen],
) -> None:
    record, seen = case
    ready = replace(seen, places=tuple(replace(place, is_ready=True) for place in seen.places))
    try:
        step = next_step(record, ready)
    except RdsCsiError:
        return

    waits = seen.connection is not None and seen.connection.state is LinkState.CONNECTING
    if step is None and not waits:
        assert not judge(record, ready).abnormal


@settings(max_examples=100)
@given(cases)
def test_a_breaker_that_is_open_is_told_with_what_is_wrong_and_hides_nothing(
    case: tuple[Record, Seen],
) -> None:
    plain, suspended = judge(*case), judge(*case, "the peer refused")

    assert suspended.abnormal is plain.abnormal
    assert suspended.stale is plain.stale
    assert suspended.text.startswith(plain.text)
    assert ("the peer refused" in suspended.text) is plain.abnormal


@pytest.mark.parametrize(
    ("seen", "text", "repairable", "stale"),
    [
        (Seen(None), "not connected", True, False),
        (Seen(replace(LIVE, device=None)), "has no device", True, False),
        (Seen(replace(LIVE, state=LinkState.DEAD)), "has no device", True, False),
        (
            replace(SOUND, connection=replace(LIVE, state=LinkState.CONNECTING)),
            "I/O waits",
            False,
            False,
        ),
        (Seen(LIVE), "not mounted at its staging path", True, False),
        (Seen(LIVE, mount_at(STAGING, DEVICES[1])), "under another name", True, True),
        (Seen(LIVE, mount_at(STAGING, stopped=True)), "turned read-only", True, True),
        (replace(SOUND, answers=False), "I/O errors", True, True),
    ],
)
def test_what_is_wrong_is_said(seen: Seen, text: str, repairable: bool, stale: bool) -> None:  # noqa: FBT001 (a table)
    condition = judge(PUBLISHED, seen)

    assert condition.abnormal
    assert text in condition.text
    assert (condition.repairable, condition.stale) == (repairable, stale)


@pytest.mark.parametrize("seen", [Seen(None), Seen(replace(LIVE, device=None)), Seen(LIVE)])
def test_what_no_pod_was_given_is_not_repaired_but_staged_when_that_is_asked(seen: Seen) -> None:
    condition = judge(RECORD, seen)

    assert condition.abnormal
    assert not condition.repairable


def test_a_publication_whose_directory_has_gone_is_not_worth_a_repair() -> None:
    place = Place(PUBLISHED.publications[0], is_ready=False)

    condition = judge(PUBLISHED, replace(SOUND, places=(place,)))

    assert condition.abnormal
    assert not condition.repairable


def test_a_device_node_of_another_device_means_that_the_pod_has_to_be_restarted() -> None:
    record = replace(PUBLISHED, use=replace(USE, fs_type=""))
    place = Place(record.publications[0], node=DEVICES[1].number)

    condition = judge(record, Seen(LIVE, places=(place,)))

    assert condition.stale
    assert "have to be restarted" in condition.text
