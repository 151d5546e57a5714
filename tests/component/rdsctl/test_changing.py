from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.rdsctl.fake import LOST, orphan
from tests.component.rdsctl.rig import Rig


async def test_an_approval_shows_what_is_lost_and_is_given_by_yes(rig: Rig) -> None:
    ended = await rig.rdsctl("orphans", "approve", LOST, "--reason", "old", typed="y\n")

    assert ended.code == 0
    assert f"volume {LOST} (10 GiB) on device rds, first seen 3h ago" in ended.err
    assert ended.lines[0].startswith(f"Approved: volume {LOST} (10 GiB)")
    (request,) = rig.fake.asked(api.ApproveOrphanRequest)
    assert isinstance(request, api.ApproveOrphanRequest)
    assert request.reason == "old"


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "yesterday\n"])
async def test_anything_but_yes_changes_nothing(rig: Rig, typed: str) -> None:
    ended = await rig.rdsctl("orphans", "approve", LOST, typed=typed)

    assert (ended.code, ended.out) == (9, "")
    assert rig.fake.decisions == []


async def test_only_what_was_shown_is_approved(rig: Rig) -> None:
    await rig.rdsctl("orphans", "approve", LOST, typed="y\n")

    (request,) = rig.fake.asked(api.ApproveOrphanRequest)
    assert isinstance(request, api.ApproveOrphanRequest)
    assert request.orphan is not None
    assert request.orphan.fingerprint == "f1"


async def test_an_orphan_that_has_changed_since_it_was_listed_is_a_conflict(rig: Rig) -> None:
    ended = await rig.rdsctl("orphans", "approve", LOST, "--fingerprint", "f0", "--yes")

    assert ended.code == 6
    assert "it is not as it was listed any more" in ended.err
    assert "look again" in ended.err


async def test_an_orphan_whose_id_two_devices_have_needs_the_device(rig: Rig) -> None:
    other = orphan(device="second")
    rig.fake.findings[other.id] = other

    open_ = await rig.rdsctl("orphans", "approve", LOST, typed="y\n")
    chosen = await rig.rdsctl("orphans", "approve", LOST, "--device", "second", typed="y\n")

    assert (open_.code, chosen.code) == (2, 0)
    assert "give --kind or --device" in open_.err
    assert [found.device for found in rig.fake.decisions] == ["second"]


async def test_an_orphan_that_is_not_there_is_not_found_with_and_without_asking(rig: Rig) -> None:
    asked = await rig.rdsctl("orphans", "approve", "pvc-none", typed="y\n")
    unasked = await rig.rdsctl("orphans", "approve", "pvc-none", "--yes")

    assert (asked.code, unasked.code) == (5, 5)
    assert "rdsctl orphans" in asked.err


@pytest.mark.parametrize(
    "argv", [("orphans", "approve", LOST), ("reconcile",), ("pause", "--reason", "work")]
)
async def test_where_nobody_can_be_asked_nothing_is_done_without_yes(
    rig: Rig, argv: tuple[str, ...]
) -> None:
    refused = await rig.rdsctl(*argv)
    done_before = list(rig.fake.requests)
    done = await rig.rdsctl(*argv, "--yes")

    assert (refused.code, done_before) == (2, [])
    assert "give --yes" in refused.err
    assert done.code == 0


async def test_an_orphan_is_ignored_for_a_while(rig: Rig) -> None:
    before = datetime.now(UTC)

    ended = await rig.rdsctl("orphans", "ignore", LOST, "--for", "7d", "-o", "json")

    decision = ended.json["orphan"]["decision"]
    assert decision["kind"] == "ignored"
    until = datetime.fromisoformat(decision["until"])
    assert timedelta(days=7) <= until - before < timedelta(days=7, minutes=1)


async def test_a_decision_is_withdrawn_once(rig: Rig) -> None:
    await rig.rdsctl("orphans", "ignore", LOST)

    first = await rig.rdsctl("orphans", "withdraw", LOST, "-o", "json")
    second = await rig.rdsctl("orphans", "withdraw", LOST)

    assert first.json == {"withdrawn": True}
    assert (second.code, rig.fake.decisions) == (0, [])
    assert "nothing has changed" in second.out


async def test_a_pass_shows_first_what_it_would_do(rig: Rig) -> None:
    ended = await rig.rdsctl("reconcile", typed="y\n")

    assert "Take the volume from node-3." in ended.err
    assert "Run a pass now (1 action)? [y/N]" in ended.err
    assert "done" in ended.out
    requests = [r.dry_run for r in rig.fake.requests if isinstance(r, api.RunPassRequest)]
    assert requests == [True, False]


async def test_a_dry_run_asks_nobody_and_changes_nothing(rig: Rig) -> None:
    ended = await rig.rdsctl("reconcile", "--dry-run", "-o", "json")

    assert ended.code == 0
    assert ended.json["pass"]["dry_run"] is True
    assert [action["state"] for action in ended.json["actions"]] == ["planned"]


async def test_a_pause_says_what_it_means_and_how_it_ends(rig: Rig) -> None:
    paused = await rig.rdsctl("pause", "--reason", "work", "--for", "30m", typed="yes\n")
    status = await rig.rdsctl("status", "--exit-code")

    assert "stay attached" in paused.err
    assert paused.lines[0] == "Paused: work (sre, 0s ago; resumes in 29m)."
    assert paused.lines[1].endswith("rdsctl resume")
    assert (status.code, status.lines[0]) == (1, paused.lines[0])


async def test_resuming_says_whether_there_was_a_pause(rig: Rig) -> None:
    await rig.rdsctl("pause", "--reason", "work", "--yes")

    first = await rig.rdsctl("resume", "-o", "json")
    second = await rig.rdsctl("resume")

    assert first.json == {"was_paused": True}
    assert second.out == "It was not paused.\n"


async def test_a_pass_that_left_something_undone_is_a_failure_without_being_asked(rig: Rig) -> None:
    done = api.Pass(number=9, result=api.PassResult.STOPPED, message="30 orphans, at most 10.")
    rig.fake.result = api.RunPassResponse(pass_=done)

    ended = await rig.rdsctl("reconcile", "--yes")

    assert ended.code == 1
    assert "30 orphans, at most 10." in ended.out


@pytest.mark.parametrize(
    "argv",
    [
        ("pause", "--reason", "work"),
        ("resume",),
        ("reconcile",),
        ("orphans", "approve", LOST),
        ("orphans", "ignore", LOST),
        ("orphans", "withdraw", LOST),
    ],
)
async def test_a_replica_that_does_not_lead_is_told_nothing_and_names_the_leader(
    rig: Rig, argv: tuple[str, ...]
) -> None:
    rig.fake.status.is_leader = False
    rig.fake.status.holder = "reconciler-1"

    ended = await rig.rdsctl(*argv, typed="y\n")

    assert ended.code == 6
    assert "the replica reconciler-0 does not lead; reconciler-1 does" in ended.err
    assert "kubectl -n rds-csi port-forward pod/reconciler-1" in ended.err
    assert {type(request) for request in rig.fake.requests} == {api.GetStatusRequest}
