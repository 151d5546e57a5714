"""What each witness makes of a happening."""

import pytest
from structlog.testing import capture_logs

from libs.core.errors import Exhausted, InUse, OutcomeUnknown
from libs.core.ids import NodeId, VolumeId
from libs.ops.metrics import Metrics
from services.controller.adapters.counts import ControllerCounts
from services.controller.adapters.telling import Tale, tale_of
from services.controller.adapters.witnesses import SecurityLog, Witnesses
from services.controller.happenings import (
    Attached,
    ClaimName,
    Detached,
    Happening,
    Migration,
    NotAttached,
    NotDetached,
    NotProvided,
)
from tests.unit.controller.values import NAME

VOLUME, A, B = VolumeId.parse(NAME), NodeId("a"), NodeId("b")
HELD = InUse(f"volume {NAME} is attached to a")


def ended(node: NodeId, how: Migration, other: str) -> Detached:
    return Detached(VOLUME, node, 0.1, migration=how, other=other, migration_seconds=61.2)


class Broken:
    def saw(self, what: Happening) -> None:
        raise RuntimeError(f"a bug at {type(what).__name__}")


class Seen:
    def __init__(self) -> None:
        self.all: list[Happening] = []

    def saw(self, what: Happening) -> None:
        self.all.append(what)


@pytest.mark.parametrize(
    ("what", "reason", "words", "warning"),
    [
        (
            NotProvided("data", ClaimName("vms", "data"), Exhausted("pool p has 1 GiB")),
            "VolumeProvisioningFailed",
            "pool p has 1 GiB. Free room on the device",
            True,
        ),
        (NotAttached(VOLUME, B, 0.1, HELD, is_conflict=True), "VolumeAttachConflict", "to a", True),
        (
            NotAttached(VOLUME, B, 0.1, InUse("it took too long"), timed_out=True),
            "MigrationFailed",
            "it took too long",
            True,
        ),
        (Attached(VOLUME, B, 0.1, source="a"), "MigrationStarted", "from a to b", False),
        (
            ended(A, Migration.COMPLETED, "b"),
            "MigrationCompleted",
            "from a to b is complete after 61 s",
            False,
        ),
        (
            ended(B, Migration.ABANDONED, "a"),
            "MigrationFailed",
            "to b was given up; a keeps the volume",
            True,
        ),
    ],
)
def test_what_people_have_to_know_is_told(
    what: Happening, reason: str, words: str, *, warning: bool
) -> None:
    tale = tale_of(what)

    assert isinstance(tale, Tale)
    assert (tale.reason, tale.warning) == (reason, warning)
    assert words in tale.text


@pytest.mark.parametrize(
    "what",
    [
        Attached(VOLUME, A, 0.1),
        Detached(VOLUME, A, 0.1),
        NotAttached(VOLUME, B, 0.1, OutcomeUnknown("the device did not answer")),
        NotDetached(VOLUME, B, 0.1, OutcomeUnknown("the device did not answer")),
    ],
)
def test_what_happens_every_day_and_what_is_tried_again_is_not_told(what: Happening) -> None:
    assert tale_of(what) is None


def test_a_witness_with_a_bug_keeps_nothing_from_the_others_or_the_call() -> None:
    seen = Seen()
    witnesses = Witnesses(Broken(), seen)

    with capture_logs() as lines:
        witnesses.saw(Attached(VOLUME, A, 0.1))

    assert seen.all == [Attached(VOLUME, A, 0.1)]
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("not taken note of", "error")
    ]


@pytest.mark.parametrize(
    ("what", "written"),
    [
        (Attached(VOLUME, A, 0.1, let_in=True), [("admitted", "info", "a")]),
        (Detached(VOLUME, A, 0.1, shut_out=True), [("fenced", "warning", "a")]),
        (Detached(VOLUME, None, 0.1, shut_out=True), [("fenced", "warning", "all nodes")]),
        (Attached(VOLUME, A, 0.1), []),
        (Detached(VOLUME, A, 0.1), []),
    ],
)
def test_security_is_told_whom_the_device_lets_in_and_shuts_out(
    what: Happening, written: list[tuple[str, str, str]]
) -> None:
    with capture_logs() as lines:
        SecurityLog().saw(what)

    assert [(line["security"], line["log_level"], line["node"]) for line in lines] == written


@pytest.mark.parametrize(
    ("how", "result", "timed"),
    [(Migration.COMPLETED, "success", 61.2), (Migration.ABANDONED, "abandoned", None)],
)
def test_a_live_migration_is_counted_by_its_end_and_timed_where_it_came_to_one(
    how: Migration, result: str, timed: float | None
) -> None:
    metrics = Metrics()

    ControllerCounts(metrics).saw(ended(A, how, "b"))

    text = metrics.render()[0].decode()
    assert f'rds_csi_migration_migrations_total{{result="{result}"}} 1' in text
    sums = [line for line in text.splitlines() if "migration_duration_seconds_sum" in line]
    assert sums == ([f"rds_csi_migration_duration_seconds_sum {timed}"] if timed else [])


def test_taking_a_volume_from_a_node_ends_no_migration_unless_it_is_said() -> None:
    plain = Detached(VOLUME, A, 0.1)

    assert plain == Detached(
        VOLUME, A, 0.1, shut_out=False, migration=None, other="", migration_seconds=0.0
    )


def test_counting_takes_every_happening() -> None:
    metrics = Metrics()
    counts = ControllerCounts(metrics)

    counts.saw(NotProvided("data", None, Exhausted("full")))
    counts.saw(NotDetached(VOLUME, A, 0.5, OutcomeUnknown("no answer")))

    text = metrics.render()[0].decode()
    assert 'rds_csi_attachment_detach_total{status="failure"} 1' in text
    assert 'duration_seconds_count{operation="detach"} 1' in text
