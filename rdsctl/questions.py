"""What is asked before something is done that cannot be taken back."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.core.errors import NotFound
from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.api import Admin
from rdsctl.blocks import Block, Line
from rdsctl.commands import is_wide, orphan_ref
from rdsctl.connection import BadSettings
from rdsctl.views import orphans, passes
from rdsctl.words import age, clean, plural, word


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody has to agree to.

    Attributes:
        blocks: what there is to know first.
        text: the question.
        fingerprint: of what was shown, so that only that is done; empty where it has none.
    """

    blocks: tuple[Block, ...]
    text: str
    fingerprint: str = ""


Ask = Callable[[Admin, argparse.Namespace], Awaitable[Question]]


async def ask_approve(admin: Admin, args: argparse.Namespace) -> Question:
    """Show the orphan that is meant.

    Raises:
        NotFound: there is none.
        BadSettings: there are several.
        NotLeader: this replica could not do it.
    """
    await admin.check_leader()
    request = api.ListFindingsRequest(kinds=list(orphans.KINDS))
    wanted = orphan_ref(args)
    found = [
        finding
        for finding in (await admin.list_findings(request)).findings
        if finding.orphan is not None and _is_meant(finding.orphan, wanted)
    ]
    if not found:
        raise NotFound(f"no orphan {clean(args.id)} is known")
    if len(found) > 1:
        names = "; ".join(orphans.name(f.orphan) for f in found if f.orphan)
        raise BadSettings(f"several orphans are called so: {names}", "give --kind or --device")
    orphan = found[0].orphan or api.Orphan()
    since = age(found[0].first_seen_at, datetime.now(UTC))
    blocks = (
        Line(f"{orphans.name(orphan)}, first seen {since} ago: {clean(found[0].reason)}"),
        Line("It is removed with its data at the next pass, and cannot be brought back."),
    )
    question = f"Approve the removal of {word(orphan.kind)} {clean(orphan.id)}?"
    return Question(blocks, question, args.fingerprint or orphan.fingerprint)


def _is_meant(orphan: api.Orphan, wanted: api.OrphanRef) -> bool:
    return (
        orphan.id == wanted.id
        and wanted.device in ("", orphan.device)
        and wanted.kind.value in (0, orphan.kind.value)
    )


async def ask_reconcile(admin: Admin, args: argparse.Namespace) -> Question:
    """Show what a pass would do now.

    Raises:
        NotLeader: this replica could not do it.
    """
    await admin.check_leader()
    answer = await admin.rehearse_pass()
    what = plural(answer.actions_total or len(answer.actions), "action")
    return Question(passes.render(answer, wide=is_wide(args)), f"Run a pass now ({what})?")


async def ask_pause(admin: Admin, args: argparse.Namespace) -> Question:
    """Say what pausing means.

    Raises:
        NotLeader: this replica could not do it.
    """
    await admin.check_leader()
    how_long = f"for {args.limit}" if args.limit else "until somebody resumes"
    text = f"Nothing is repaired {how_long}: volumes of nodes that fail stay attached to them."
    return Question((Line(text),), "Pause?")


QUESTIONS: Mapping[str, Ask] = {
    "orphans approve": ask_approve,
    "reconcile": ask_reconcile,
    "pause": ask_pause,
}
"""Commands that ask first, by `command` of the parser."""


def has_question(args: argparse.Namespace) -> bool:
    """Whether somebody has to agree first."""
    if args.command not in QUESTIONS or args.yes:
        return False
    return not getattr(args, "dry_run", False)
