from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.controller.v1 import AttachmentState, HalfState
from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.rdsctl.fake import LOST, VOLUME, attached, explained, orphan, stuck
from tests.component.rdsctl.rig import Rig


async def test_a_healthy_reconciler_is_said_to_do_its_work(rig: Rig) -> None:
    ended = await rig.rdsctl("status", "--exit-code")

    assert ended.code == 0
    assert ended.lines[0] == "The reconciler does its work."
    assert "reconciler-0 (the leader)" in ended.out


async def test_what_keeps_the_reconciler_from_its_work_comes_first_and_is_counted(rig: Rig) -> None:
    rig.fake.status.holder = ""
    rig.fake.status.is_leader = False

    plain = await rig.rdsctl("status")
    counted = await rig.rdsctl("status", "--exit-code")

    assert plain.lines[0] == "No replica leads, so nothing is repaired."
    assert (plain.code, counted.code) == (0, 1)


async def test_a_lease_that_nobody_took_over_is_a_problem(rig: Rig) -> None:
    rig.fake.status.lease_expires_at = datetime.now(UTC) - timedelta(minutes=5)

    ended = await rig.rdsctl("status", "-o", "json")

    assert ended.json["problems"] == ["The lease of reconciler-0 ran out 5m ago; nobody took over."]


async def test_findings_are_listed_one_a_line_where_nobody_looks(rig: Rig) -> None:
    ended = await rig.rdsctl("findings")

    heading, first, second, _ = ended.lines
    assert heading.split() == ["KIND", "STATE", "SUBJECT", "NODE", "AGE", "REASON"]
    assert first.split()[:5] == ["node-gone", "for-people", VOLUME, "node-3", "3h"]
    assert second.startswith("orphan-volume")


async def test_findings_of_all_pages_are_listed(rig: Rig) -> None:
    rig.fake.page_size = 3
    found = [stuck(f"node-{number}") for number in range(10)]
    rig.fake.findings = {finding.id: finding for finding in found}

    ended = await rig.rdsctl("findings", "-o", "json")

    assert [f["id"] for f in ended.json["findings"]] == [finding.id for finding in found]


async def test_filters_of_findings_are_passed_on(rig: Rig) -> None:
    ended = await rig.rdsctl(
        "findings", "--kind", "node-gone", "--state", "for-people", "--node", "node-3", "-o", "json"
    )

    (finding,) = ended.json["findings"]
    assert (finding["kind"], finding["state"]) == ("node-gone", "for-people")


@pytest.mark.parametrize(("node", "code"), [("node-3", 1), ("node-4", 0)])
async def test_findings_are_counted_only_where_that_is_asked_for(
    rig: Rig, node: str, code: int
) -> None:
    plain = await rig.rdsctl("findings", "--node", node)
    counted = await rig.rdsctl("findings", "--node", node, "--exit-code")

    assert (plain.code, counted.code) == (0, code)


async def test_a_volume_is_told_in_sentences_and_then_piece_by_piece(rig: Rig) -> None:
    ended = await rig.rdsctl("volume", VOLUME)

    assert ended.lines[1] == "It is attached to node-3, which does not exist any more."
    for piece in ("Findings", "PersistentVolume", "On the device", "Attachments", "Nodes"):
        assert piece in ended.lines
    assert "shop/data" in ended.out


async def test_a_volume_with_half_of_it_missing_is_not_good(rig: Rig) -> None:
    answer = explained()
    answer.findings = []
    rig.fake.volumes[VOLUME] = answer

    whole = await rig.rdsctl("volume", VOLUME, "--exit-code", "-o", "json")
    assert answer.volume is not None
    answer.volume.half_state = HalfState.NO_FILE
    half = await rig.rdsctl("volume", VOLUME, "--exit-code", "-o", "json")

    assert (whole.code, whole.json["good"]) == (0, True)
    assert (half.code, half.json["good"]) == (1, False)
    assert half.json["volume"]["half_state"] == "no-file"


async def test_all_attachments_are_listed_those_that_are_wrong_first_with_the_reason(
    rig: Rig,
) -> None:
    rig.fake.attachments.reverse()

    ended = await rig.rdsctl("attachments", "--exit-code")

    heading, first, second, _ = ended.lines
    assert ended.code == 1
    assert heading.split()[:3] == ["VOLUME", "NODE", "STATE"]
    assert first.split()[:4] == [VOLUME, "node-3", "attached", "admitted"]
    assert "node-gone (for-people): node-3 does not exist any more." in first
    assert second.split()[:3] == [LOST, "node-1", "attached"]
    assert ended.lines[-1] == "2 attachments, 1 of them wrong."


async def test_attachments_of_all_pages_have_what_each_side_knows(rig: Rig) -> None:
    rig.fake.page_size = 3
    rows = [attached(VOLUME, f"node-{number}", f"csi-{number}") for number in range(8)]
    rig.fake.attachments = rows

    ended = await rig.rdsctl("attachments", "-o", "json")

    listed = {row["node"]: row for row in ended.json["attachments"]}
    assert len(ended.json["attachments"]) == 8
    assert ended.json["whole"] is True
    assert listed["node-3"]["node_state"]["exists"] is False
    assert [finding["kind"] for finding in listed["node-3"]["findings"]] == ["node-gone"]
    assert listed["node-5"]["in_cluster"]["name"] == "csi-5"
    assert listed["node-5"]["at_controller"]["admission"] == "admitted"
    assert (listed["node-5"]["state"], listed["node-5"]["wrong"]) == ("attached", False)


async def test_attachments_to_one_node_are_all_that_are_counted(rig: Rig) -> None:
    ended = await rig.rdsctl("attachments", "--node", "node-1", "--exit-code")

    assert ended.code == 0
    assert ended.lines[-1] == "1 attachment, none of them wrong."


@pytest.mark.parametrize(
    ("state", "going", "words"),
    [
        (AttachmentState.PENDING, False, "being attached"),
        (AttachmentState.ATTACHED, True, "being detached"),
        (AttachmentState.DETACHED, True, "detached, not gone yet"),
    ],
)
async def test_how_an_attachment_stands_is_said_in_words(
    rig: Rig, state: AttachmentState, words: str, *, going: bool
) -> None:
    row = attached()
    assert row.at_controller is not None
    assert row.volume_attachment is not None
    row.at_controller.state = state
    row.volume_attachment.deleting_since = datetime.now(UTC) if going else None
    rig.fake.attachments = [row]

    ended = await rig.rdsctl("attachments")

    assert f"node-3  {words}  " in ended.lines[1]


async def test_what_is_not_known_of_attachments_comes_first(rig: Rig) -> None:
    rig.fake.unknown = ["whom device rds lets in: it is away"]

    shown = await rig.rdsctl("attachments")
    document = await rig.rdsctl("attachments", "-o", "json")

    assert shown.lines[0] == "Not known: whom device rds lets in: it is away"
    assert document.json["whole"] is False
    assert document.json["unknown"] == rig.fake.unknown


async def test_attachments_of_a_volume_say_what_cluster_and_controller_know(rig: Rig) -> None:
    ended = await rig.rdsctl("attachments", VOLUME, "-o", "json")

    (row,) = ended.json["attachments"]
    assert ended.json["whole"] is True
    assert (row["node"], row["state"], row["volume_attachment"]) == (
        "node-3",
        "attached",
        "csi-node-3",
    )
    assert row["at_controller"]["admission"] == "admitted"
    assert row["node_state"]["exists"] is False
    assert [finding["kind"] for finding in row["findings"]] == ["node-gone"]


async def test_orphans_are_listed_with_those_that_are_gone_and_were_decided_about(rig: Rig) -> None:
    decision = api.Decision(kind=api.DecisionKind.IGNORED, by="sre", reason="a backup")
    gone = api.Orphan(id="/raid10/volumes/old.img", device="rds", decision=decision)
    rig.fake.decisions = [gone]

    ended = await rig.rdsctl("orphans")

    assert ended.lines[1].split()[:4] == ["volume", LOST, "rds", "10"]
    assert "ignored by sre" in ended.lines[2]
    assert ended.lines[-1] == "1 orphan, 10 GiB in all."


async def test_orphans_of_one_device_are_chosen_with_or_without_the_word_list(rig: Rig) -> None:
    other = orphan("vol-b", device="second")
    rig.fake.findings[other.id] = other

    short = await rig.rdsctl("orphans", "--device", "second", "-o", "json")
    long = await rig.rdsctl("orphans", "list", "--device", "second", "-o", "json")

    assert [row["orphan"]["id"] for row in short.json["orphans"]] == ["vol-b"]
    assert short.json == long.json


async def test_an_undecided_orphan_counts_and_a_decided_one_does_not(rig: Rig) -> None:
    undecided = await rig.rdsctl("orphans", "--exit-code")
    await rig.rdsctl("orphans", "ignore", LOST)
    decided = await rig.rdsctl("orphans", "--exit-code")

    assert (undecided.code, decided.code) == (1, 0)


async def test_text_from_elsewhere_cannot_command_the_terminal(rig: Rig) -> None:
    finding = stuck()
    finding.reason = "a\x1b[2J\nb\u009bc"
    rig.fake.findings = {finding.id: finding}

    ended = await rig.rdsctl("findings", terminal=True, environ={"NO_COLOR": "1"})

    assert "a [2J b c" in ended.out
    assert not set(ended.out) & {"\x1b", "\u009b"}


async def test_wide_tables_say_what_happens_next(rig: Rig) -> None:
    narrow = await rig.rdsctl("findings")
    wide = await rig.rdsctl("findings", "-o", "wide")

    assert "Nobody can say" not in narrow.out
    assert "Nobody can say what it wrote last; look at it." in wide.out


@pytest.mark.parametrize(("width", "whole"), [("130", True), ("70", False)])
async def test_a_terminal_is_not_overrun_and_ids_stay_whole_where_there_is_room(
    rig: Rig, width: str, *, whole: bool
) -> None:
    ended = await rig.rdsctl("findings", terminal=True, environ={"COLUMNS": width, "NO_COLOR": "1"})

    assert max(len(line) for line in ended.lines) <= int(width)
    assert (VOLUME in ended.out) is whole


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
async def test_colours_are_for_terminals_that_have_them_and_people_who_want_them(
    rig: Rig, environ: dict[str, str], *, coloured: bool
) -> None:
    on_terminal = await rig.rdsctl("findings", terminal=True, environ=environ)
    piped = await rig.rdsctl("findings", environ=environ)

    assert ("\x1b[" in on_terminal.out) is coloured
    assert "\x1b[" not in piped.out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("findings", "--state", "for-people"), "No pass has ended yet, so nothing is known."),
        (("orphans",), "Not known: no pass has ended yet"),
        (("attachments",), "Not known: what is wrong with them: no pass has ended yet"),
    ],
)
async def test_before_the_first_pass_nothing_is_well(
    rig: Rig, command: tuple[str, ...], words: str
) -> None:
    rig.fake.findings.clear()
    rig.fake.as_of = None

    ended = await rig.rdsctl(*command, "--exit-code")

    assert (ended.code, ended.lines[0]) == (1, words)


async def test_a_device_that_cannot_be_read_may_have_orphans(rig: Rig) -> None:
    reason = "Device rds cannot be read: it is away."
    away = api.Finding(
        id="unreadable-rds",
        kind=api.FindingKind.UNREADABLE,
        state=api.FindingState.HELD_BACK,
        subject=api.Subject(device="rds"),
        reason=reason,
    )
    rig.fake.findings = {away.id: away}

    every = await rig.rdsctl("orphans", "--exit-code")
    document = await rig.rdsctl("orphans", "--device", "rds", "-o", "json")
    other = await rig.rdsctl("orphans", "--device", "second", "--exit-code")

    assert (every.code, every.lines) == (1, [f"Not known: {reason}", "No orphan is known."])
    assert document.json == {"orphans": [], "whole": False, "unknown": [reason]}
    assert (other.code, other.lines) == (0, ["No orphans."])
