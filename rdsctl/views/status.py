"""How the reconciler is, for people. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from protos.gen.rdscsi.controller.v1 import ConnectionState
from protos.gen.rdscsi.reconciler.v1 import GetStatusResponse, Pass, PassResult, Paused
from rdsctl.blocks import Block, Cell, Line, Tone, facts, table
from rdsctl.words import age, ago, ahead, clean, plural, shown, word

_SKEW = timedelta(seconds=30)
"""How far this machine's clock may be from the cluster's before a lease counts as run out."""

BAD_RESULTS = frozenset(
    {PassResult.INCOMPLETE, PassResult.STOPPED, PassResult.FAILED_ACTIONS, PassResult.FAILED}
)

_RESULTS = dict.fromkeys(BAD_RESULTS, Tone.BAD) | {PassResult.DONE: Tone.GOOD}
_CONNECTIONS = {
    ConnectionState.UP: Tone.GOOD,
    ConnectionState.CONNECTING: Tone.WARN,
    ConnectionState.AWAY: Tone.BAD,
}


def problems(status: GetStatusResponse, now: datetime) -> list[str]:
    """Return what keeps the reconciler from its work, a sentence each."""
    return list(_problems(status, now))


def _problems(status: GetStatusResponse, now: datetime) -> Iterator[str]:
    expires = status.lease_expires_at
    if not status.holder:
        yield "No replica leads, so nothing is repaired."
    elif expires is not None and expires + _SKEW < now:
        yield f"The lease of {clean(status.holder)} ran out {ago(expires, now)}; nobody took over."
    if status.paused is not None:
        yield f"Paused: {_paused(status.paused, now)}."
    if status.last_pass is not None and status.last_pass.result in BAD_RESULTS:
        why = clean(status.last_pass.message) or word(status.last_pass.result)
        yield f"The last pass did not go well: {why}"
    link = status.controller
    if link is not None and not link.connected:
        yield f"The controller at {shown(link.address)} is not reached: {shown(link.error)}"
    for watched in status.watched:
        if not watched.synced:
            yield f"{clean(watched.resource)} are not kept up to date: {shown(watched.error)}"
    for device in status.devices:
        if device.state is ConnectionState.AWAY:
            yield f"The device {clean(device.device)} is away: {shown(device.reason)}"


def render(status: GetStatusResponse, now: datetime, *, wide: bool) -> tuple[Block, ...]:
    """Return what `rdsctl status` says: first what is wrong."""
    wrong = problems(status, now)
    head: list[Block] = [Line(problem, Tone.BAD) for problem in wrong]
    return (
        *(head or [Line("The reconciler does its work.", Tone.GOOD)]),
        _facts(status, now),
        table(
            "Findings", ("KIND", "COUNT"), ([word(f.kind), str(f.count)] for f in status.findings)
        ),
        table(
            "Devices",
            ("DEVICE", "STATE", "FOR", "RECONNECTS", "REASON"),
            (
                [
                    device.device,
                    Cell(word(device.state), _CONNECTIONS.get(device.state, Tone.PLAIN)),
                    age(device.changed_at, now),
                    str(device.reconnects),
                    device.reason,
                ]
                for device in status.devices
            ),
        ),
        *_queues(status, now, wide=wide),
    )


def _facts(status: GetStatusResponse, now: datetime) -> Block:
    role = "the leader" if status.is_leader else f"standing by; {shown(status.holder)} leads"
    lease = f"renewed {ago(status.lease_renewed_at, now)}"
    link = status.controller
    reached = "not known yet" if link is None else f"{clean(link.address)}, "
    if link is not None:
        reached += "connected" if link.connected else "not connected"
    pairs = [
        ("Replica", Cell(f"{shown(status.replica)} ({role})")),
        ("Lease", Cell(f"{lease}, ends {ahead(status.lease_expires_at, now)}")),
        ("Last pass", _pass(status.last_pass, now)),
    ]
    if status.current_pass is not None:
        running = f"{pass_name(status.current_pass)}, {age(status.current_pass.started_at, now)}"
        pairs.append(("Running", Cell(f"{running} so far")))
    pairs += [
        ("Next pass", Cell(_next_pass(status, now))),
        (
            "Orphans",
            Cell("only reported" if status.orphans_dry_run else "removed when due"),
        ),
        ("Controller", Cell(reached)),
        ("Version", Cell(shown(status.version))),
    ]
    return facts(*pairs)


def _next_pass(status: GetStatusResponse, now: datetime) -> str:
    due = status.next_pass_at
    return "not known" if due is None else f"{ahead(due, now)}, or earlier"


def pass_name(done: Pass) -> str:
    """Return which pass it is, and why it ran."""
    return f"number {done.number} ({word(done.trigger) or 'no reason given'})"


def _pass(last: Pass | None, now: datetime) -> Cell:
    if last is None:
        return Cell("none yet", Tone.WARN)
    text = (
        f"{pass_name(last)}, {ago(last.ended_at or last.started_at, now)}: {word(last.result)}, "
        f"{counts(last)}"
    )
    return Cell(text, _RESULTS.get(last.result, Tone.PLAIN))


def counts(done: Pass) -> str:
    """Return what a pass found and did."""
    failed = f", {done.actions_failed} failed" if done.actions_failed else ""
    return (
        f"{plural(done.findings, 'finding')}, {plural(done.actions_planned, 'action')} planned, "
        f"{done.actions_done} done{failed}"
    )


def _paused(paused: Paused, now: datetime) -> str:
    until = f"resumes {ahead(paused.until, now)}" if paused.until else "until somebody resumes"
    who = clean(paused.by) or "somebody"
    return f"{clean(paused.reason) or 'no reason given'} ({who}, {ago(paused.since, now)}; {until})"


def render_pause(paused: Paused, now: datetime) -> tuple[Block, ...]:
    """Return what `rdsctl pause` says."""
    return (
        Line(f"Paused: {_paused(paused, now)}.", Tone.WARN),
        Line("Nothing is repaired until then. End it with: rdsctl resume", Tone.FAINT),
    )


def _queues(status: GetStatusResponse, now: datetime, *, wide: bool) -> Iterator[Block]:
    queues = [queue for queue in status.queues if wide or queue.length]
    yield table(
        "Waiting",
        ("QUEUE", "LENGTH", "AFTER A FAILURE", "OLDEST"),
        ([q.name, str(q.length), str(q.backing_off), age(q.oldest_since, now)] for q in queues),
    )
    watched = [resource for resource in status.watched if wide or not resource.synced]
    yield table(
        "Watched",
        ("RESOURCE", "UP TO DATE", "OBJECTS", "LAST HEARD", "ERROR"),
        (
            [
                resource.resource,
                Cell("yes", Tone.GOOD) if resource.synced else Cell("no", Tone.BAD),
                str(resource.objects),
                ago(resource.heard_at, now),
                resource.error,
            ]
            for resource in watched
        ),
    )
