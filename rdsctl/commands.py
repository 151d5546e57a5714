"""The commands: what is asked or told, and what comes of it."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from betterproto2 import Enum

from protos.gen.rdscsi.controller.v1 import ItemKind
from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.api import Admin
from rdsctl.blocks import Line, Outcome, Tone
from rdsctl.jsonform import fields_of, to_json
from rdsctl.views import attachments, findings, orphans, passes, status, volume

E = TypeVar("E", bound=Enum)

Command = Callable[[Admin, argparse.Namespace], Awaitable[Outcome]]


def parse_words(kind: type[E], words: list[str] | None) -> list[E]:
    """Return the values of an enum that flags name."""
    return [kind[word.upper().replace("-", "_")] for word in words or ()]


def is_wide(args: argparse.Namespace) -> bool:
    """Whether everything is to be shown."""
    return bool(args.output == "wide")


def _now() -> datetime:
    return datetime.now(UTC)


async def show_status(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Show how the reconciler is."""
    answer, now = await admin.read_status(), _now()
    problems = status.problems(answer, now)
    return Outcome(
        status.render(answer, now, wide=is_wide(args)),
        {**fields_of(answer), "problems": problems},
        good=not problems,
    )


async def show_findings(admin: Admin, args: argparse.Namespace) -> Outcome:
    """List findings."""
    request = api.ListFindingsRequest(
        kinds=parse_words(api.FindingKind, args.kind),
        states=parse_words(api.FindingState, args.state),
        volume_id=args.volume or "",
        node=args.node or "",
    )
    answer = await admin.list_findings(request)
    return Outcome(
        findings.render(answer.findings, answer.as_of, _now(), wide=is_wide(args)),
        {"findings": to_json(answer.findings), "as_of": to_json(answer.as_of)},
        good=answer.as_of is not None and not answer.findings,
    )


async def show_volume(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Tell all that is known of a volume."""
    answer = await admin.explain_volume(args.volume)
    good = volume.is_good(answer)
    document = {**fields_of(answer), "good": good}
    return Outcome(volume.render(answer, _now(), wide=is_wide(args)), document, good)


async def show_attachments(admin: Admin, args: argparse.Namespace) -> Outcome:
    """List all attachments, or those of a volume or a node."""
    unknown, is_judged = list[str](), True
    if args.volume:
        explained = await admin.explain_volume(args.volume)
        rows, unknown = attachments.rows_of_volume(explained), explained.unknown
    else:
        node = args.node or ""
        answer = await admin.list_attachments(api.ListAttachmentsRequest(node=node))
        # After the attachments: what was wrong with them then is there still, or is resolved.
        request = api.ListFindingsRequest(kinds=list(attachments.KINDS))
        found = await admin.list_findings(request)
        rows, unknown = attachments.rows_of_all(answer, found.findings), list(answer.unknown)
        if found.as_of is None:
            is_judged = False
            unknown.append("what is wrong with them: no pass has ended yet")
    rows = [row for row in rows if args.node in (None, row.node)]
    return Outcome(
        attachments.render(rows, unknown, _now(), wide=is_wide(args)),
        attachments.document(rows, unknown),
        good=is_judged and not any(row.is_wrong for row in rows),
    )


async def list_orphans(admin: Admin, args: argparse.Namespace) -> Outcome:
    """List orphans, and what was decided about them."""
    request = api.ListFindingsRequest(kinds=[*orphans.KINDS, api.FindingKind.UNREADABLE])
    answer, device = await admin.list_findings(request), getattr(args, "on", "")
    unknown = orphans.unknown(answer.findings, answer.as_of, device)
    items = orphans.join(answer.findings, await admin.list_decisions(), device)
    return Outcome(
        orphans.render(items, unknown, _now(), wide=is_wide(args)),
        orphans.document(items, unknown),
        good=not unknown and all(orphans.is_decided(item) for item in items),
    )


def orphan_ref(args: argparse.Namespace) -> api.OrphanRef:
    """Return which orphan the flags mean."""
    return api.OrphanRef(
        kind=ItemKind[args.kind.upper()] if args.kind else ItemKind.UNSPECIFIED,
        device=args.device or "",
        id=args.id,
        fingerprint=getattr(args, "fingerprint", None) or "",
    )


async def approve_orphan(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Have an orphan removed."""
    request = api.ApproveOrphanRequest(orphan=orphan_ref(args), reason=args.reason)
    orphan = await admin.approve(request)
    blocks = (
        Line(f"Approved: {orphans.name(orphan)} is removed at the next pass.", Tone.WARN),
        Line(f"Until then: rdsctl orphans withdraw {orphan.id}", Tone.FAINT),
    )
    return Outcome(blocks, {"orphan": to_json(orphan)})


async def ignore_orphan(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Have an orphan left alone."""
    until = _now() + args.limit if args.limit else None
    request = api.IgnoreOrphanRequest(orphan=orphan_ref(args), reason=args.reason, until=until)
    orphan = await admin.ignore(request)
    how_long = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until somebody withdraws that"
    text = f"Ignored: {orphans.name(orphan)} stays where it is {how_long}."
    return Outcome((Line(text, Tone.GOOD),), {"orphan": to_json(orphan)})


async def withdraw_decision(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Take a decision about an orphan back."""
    withdrawn = await admin.withdraw(orphan_ref(args))
    text = f"Withdrawn: nothing is decided about {args.id} any more."
    if not withdrawn:
        text = f"Nothing was decided about {args.id}, so nothing has changed."
    return Outcome((Line(text),), {"withdrawn": withdrawn})


async def reconcile(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Run a pass, or only say what it would do."""
    answer = await (admin.rehearse_pass() if args.dry_run else admin.run_pass())
    return Outcome(
        passes.render(answer, wide=is_wide(args)), fields_of(answer), passes.went_well(answer)
    )


async def pause(admin: Admin, args: argparse.Namespace) -> Outcome:
    """Have nothing done any more."""
    paused = await admin.pause(api.PauseRequest(reason=args.reason, limit=args.limit))
    return Outcome(status.render_pause(paused, _now()), {"paused": to_json(paused)})


async def resume(admin: Admin, args: argparse.Namespace) -> Outcome:  # noqa: ARG001 (a command)
    """Have it act again."""
    was_paused = await admin.resume()
    text = "Resumed: what is due is done again." if was_paused else "It was not paused."
    return Outcome((Line(text, Tone.GOOD),), {"was_paused": was_paused})


COMMANDS: Mapping[str, Command] = {
    "status": show_status,
    "findings": show_findings,
    "volume": show_volume,
    "attachments": show_attachments,
    "orphans list": list_orphans,
    "orphans approve": approve_orphan,
    "orphans ignore": ignore_orphan,
    "orphans withdraw": withdraw_decision,
    "reconcile": reconcile,
    "pause": pause,
    "resume": resume,
}
"""What runs once and has one outcome, by `command` of the parser."""


def counts_as_failure(args: Any, outcome: Outcome) -> bool:  # noqa: ANN401 (argparse's)
    """Whether an outcome makes the exit code 1: where that was asked for, and for passes."""
    return not outcome.good and (getattr(args, "exit_code", False) or args.command == "reconcile")
