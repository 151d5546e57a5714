"""Runs a command: connect, ask, do, show."""

import asyncio
import contextlib
import sys
from argparse import Namespace
from collections.abc import Mapping

from libs.core.errors import RdsCsiError
from libs.ops.logs import configure_logging
from rdsctl.api import open_admin
from rdsctl.blocks import Outcome
from rdsctl.commands import COMMANDS, counts_as_failure
from rdsctl.connection import PASS_TIMEOUT, TIMEOUT, BadSettings, Connection, resolve
from rdsctl.exits import Exit
from rdsctl.failures import Failure, explain
from rdsctl.parser import OUTPUTS
from rdsctl.preflight.command import preflight
from rdsctl.printing import Printer
from rdsctl.questions import QUESTIONS, Question, has_question
from rdsctl.streams import Streams
from rdsctl.watching import watch

_YES = frozenset({"y", "yes"})


def execute(args: Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Run a command that needs a reconciler; return the exit code."""
    if streams.stderr is sys.stderr:
        # What preflight meets is among its findings.
        level = "error" if args.command == "preflight" else "warning"
        configure_logging(level, "console")  # which writes there, and not among the answers
    connection = None
    try:
        args.output = _output(args, environ)
        if args.command == "preflight":
            return _run_preflight(args, Printer(streams.stdout, environ))
        connection = resolve(
            args, environ, PASS_TIMEOUT if args.command == "reconcile" else TIMEOUT
        )
        if has_question(args) and not _agree(args, connection, environ, streams):
            streams.stderr.write("rdsctl: not confirmed; nothing was done\n")
            return Exit.NOT_CONFIRMED
        return asyncio.run(_run(args, connection, Printer(streams.stdout, environ)))
    except RdsCsiError as error:
        return _say(explain(error, connection), streams)


def _output(args: Namespace, environ: Mapping[str, str]) -> str:
    chosen = getattr(args, "output", None) or environ.get("RDSCTL_OUTPUT") or OUTPUTS[0]
    if chosen not in OUTPUTS:
        raise BadSettings(f"RDSCTL_OUTPUT must be one of {', '.join(OUTPUTS)}")
    return str(chosen)


def _say(failure: Failure, streams: Streams) -> int:
    streams.stderr.write(f"rdsctl: {failure.sentence}\n")
    if failure.hint:
        streams.stderr.write(f"next: {failure.hint}\n")
    return failure.code


def _agree(
    args: Namespace, connection: Connection, environ: Mapping[str, str], streams: Streams
) -> bool:
    """Return whether somebody at a terminal agrees to what was shown.

    No connection is open while somebody thinks.
    """
    if not streams.stdin.isatty():
        raise BadSettings("nobody can be asked here, and this has to be confirmed", "give --yes")
    question = asyncio.run(_question(args, connection))
    if question.fingerprint:
        args.fingerprint = question.fingerprint
    Printer(streams.stderr, environ).write(question.blocks)
    streams.stderr.write(f"{question.text} [y/N] ")
    streams.stderr.flush()
    answer = streams.stdin.readline()
    if not answer:  # Ctrl-D
        streams.stderr.write("\n")
    return answer.strip().lower() in _YES


async def _question(args: Namespace, connection: Connection) -> Question:
    async with open_admin(connection) as admin:
        return await QUESTIONS[args.command](admin, args)


async def _run(args: Namespace, connection: Connection, printer: Printer) -> int:
    async with open_admin(connection) as admin:
        if args.command == "watch":
            async with contextlib.aclosing(watch(admin, args)) as outcomes:
                async for outcome in outcomes:
                    _show(args, outcome, printer, indent=None)
            return Exit.OK
        outcome = await COMMANDS[args.command](admin, args)
    _show(args, outcome, printer, indent=2)
    return Exit.NOT_GOOD if counts_as_failure(args, outcome) else Exit.OK


def _run_preflight(args: Namespace, printer: Printer) -> int:
    """Look at a cluster and a device. No reconciler is needed."""
    outcome, code = asyncio.run(preflight(args))
    _show(args, outcome, printer, indent=2)
    return code


def _show(args: Namespace, outcome: Outcome, printer: Printer, *, indent: int | None) -> None:
    if args.output == "json":
        printer.write_document(outcome.document, indent=indent)
    else:
        printer.write(outcome.blocks)
