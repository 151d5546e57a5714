"""One run: every question in its turn, and in the end nothing is left."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from libs.core.errors import Conflict, InUse, RdsCsiError, Unsupported
from libs.rdsclient.client import RdsClient
from libs.rdsclient.errors import CommandRefused, CommandUnknown
from tests.hardware import connecting, copying, data, looking, making
from tests.hardware.host import Host, open_host
from tests.hardware.kit import NQN_PREFIX, Kit
from tests.hardware.model import Answer, Half, Question, Report, Result, different, skipped, unknown
from tests.hardware.options import Options
from tests.hardware.tape import Tape, open_taped

QUESTIONS: tuple[Question[Kit], ...] = (
    *looking.QUESTIONS,
    *making.QUESTIONS,
    *copying.QUESTIONS,
    *connecting.QUESTIONS,
    *data.QUESTIONS,
)
_ONE_LIMIT = 180.0
"""Seconds for one question, with what it removes."""

_SWEEP_LIMIT = 90.0
_SWEEP_TRIES = 3
_AGAIN = 2.0


def quieten() -> None:
    """Let logs not stand in the report's way; what was said is on the tape."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


async def run(
    options: Options,
    tape: Tape,
    host: Host | None = None,
    questions: Iterable[Question[Kit]] = QUESTIONS,
    tell: Callable[[Result], None] = lambda _: None,
) -> Report:
    """Ask what the options want asked.

    Args:
        options: what was asked for.
        tape: keeps what is said.
        host: takes the host's part; this machine's kernel where it is left out and asked for.
        questions: what can be asked.
        tell: hears of each result at once.

    Raises:
        Unreachable: the device does not answer at the start.
        HostUnable: this host cannot connect, and was asked to.
    """
    async with contextlib.AsyncExitStack() as stack:
        _hide_names(tape, options)
        entered = open_taped(options.config, tape, read_only=not options.writes)
        rds, transport = await stack.enter_async_context(entered)
        device = await _describe(rds, options)
        if host is None and options.nvme:
            opened = open_host(options.nvme, options.nvme_port, NQN_PREFIX)
            host = await stack.enter_async_context(opened)
        if host is not None and not options.shows_names:
            tape.hide(host.nqn, "HOST-NQN")
        kit = Kit(rds, transport, tape, options, host)
        wanted = [one for one in questions if not options.only or one.name in options.only]
        return await _report(kit, device, _Results(tell), wanted)


def _hide_names(tape: Tape, options: Options) -> None:
    if not options.shows_names:
        tape.hide(options.config.host, "DEVICE")
        tape.hide(options.nvme, "DEVICE")


class _Results:
    """What was found so far."""

    def __init__(self, tell: Callable[[Result], None]) -> None:
        self.all: list[Result] = []
        self._tell = tell

    def add(self, result: Result) -> None:
        self.all.append(result)
        self._tell(result)


async def _report(
    kit: Kit, device: dict[str, str], results: _Results, questions: Iterable[Question[Kit]]
) -> Report:
    """Ask, and remove what was made, however the asking ended."""
    writes, interrupted = kit.options.writes, False
    left: tuple[str, ...] = ()
    try:
        await _ask_all(kit, questions, results)
    except asyncio.CancelledError:
        interrupted = True  # the report is what it is for, so it comes to its end with one
    finally:
        if writes:
            kit.tape.asking = "sweep"
            left = await _swept(kit)
    return Report(
        device,
        kit.prefix if writes else "",
        tuple(results.all),
        left=left,
        swept=writes,
        interrupted=interrupted,
    )


async def _describe(rds: RdsClient, options: Options) -> dict[str, str]:
    system = await rds.read_system()
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    found = {"board": system.board, "release": system.version, "asked": date}
    if options.shows_names:
        found |= {"address": options.config.address, "name": await rds.read_identity()}
    return found


def unknown_names(options: Options) -> Sequence[str]:
    """Return what `--only` names and nobody asks."""
    return sorted(set(options.only) - {question.name for question in QUESTIONS})


async def _ask_all(kit: Kit, questions: Iterable[Question[Kit]], results: _Results) -> None:
    for question in questions:
        kit.tape.asking = question.name
        answer = _why_not(kit, question) or await _ask(kit, question)
        answer = replace(answer, found=kit.tape.clean(answer.found))
        results.add(
            Result(
                question.name,
                question.asks,
                question.why,
                question.otherwise,
                question.half,
                answer,
                kit.tape.of(question.name),
            )
        )


def _why_not(kit: Kit, question: Question[Kit]) -> Answer | None:
    if question.half is not Half.LOOKING and not kit.options.writes:
        return skipped("this run only looks")
    if question.half is Half.CONNECTING and kit.host is None:
        return skipped("this host takes no part (--nvme-address)")
    return None


async def _ask(kit: Kit, question: Question[Kit]) -> Answer:
    try:
        async with asyncio.timeout(_ONE_LIMIT):
            return await question.probe(kit)
    except (CommandRefused, CommandUnknown, Conflict, InUse) as error:
        return different(f"the device refuses it: {error.message}")
    except Unsupported as error:
        return skipped(error.message)
    except RdsCsiError as error:
        return unknown(error.message)
    except TimeoutError:
        return unknown(f"it took longer than {_ONE_LIMIT:g} s")
    except Exception as error:  # noqa: BLE001 (a mistake of ours must not cost the other answers)
        return unknown(f"the kit itself failed: {error!r}")


async def _swept(kit: Kit) -> tuple[str, ...]:
    """Remove what is left, however the run ended, and return what stays."""
    sweeping = asyncio.create_task(_sweep(kit))
    while not sweeping.done():
        # Interrupted or not, what was made has to go; it has an end of its own.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({sweeping})
    return sweeping.result()


async def _sweep(kit: Kit) -> tuple[str, ...]:
    left: tuple[str, ...] = ("it could not be seen what is left: look for " + kit.prefix,)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SWEEP_LIMIT):
            for attempt in range(_SWEEP_TRIES):
                if attempt:
                    await asyncio.sleep(_AGAIN)  # a device that went away takes a moment
                with contextlib.suppress(RdsCsiError):
                    left = await kit.sweep()
                    if not left:
                        break
    return left


def run_to_its_end(options: Options, tape: Tape, tell: Callable[[Result], None]) -> Report:
    """Run, with SIGTERM and SIGINT ending it as tidily as its end would."""

    async def main() -> Report:
        task = asyncio.ensure_future(run(options, tape, tell=tell))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(main())
