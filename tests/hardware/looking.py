"""Questions that change nothing."""

import asyncio
import re
from dataclasses import replace
from functools import partial

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unreachable
from libs.rdsclient import commands
from libs.rdsclient.batch import BatchLimits, join_commands, split_answers
from libs.rdsclient.commands import Command, quote
from libs.rdsclient.errors import CommandUnknown, GarbledReply, error_from_text
from libs.rdsclient.listing import Item
from libs.rdsclient.model import Features, Release
from libs.rdsclient.replies import listings
from tests.hardware.kit import Kit
from tests.hardware.model import Answer, Question, confirmed, different, settle, unknown
from tests.hardware.tape import open_taped

_NEEDED = Release(7, 21)
_WIDE = 200
_MOUNTED = f"mount-point~{quote('.')}"


async def release(kit: Kit) -> Answer:
    system = await kit.rds.read_system()
    found = f"it is a {system.board or 'device'} with RouterOS {system.version}"
    return settle(found, otherwise=found, holds=system.release >= _NEEDED)


async def errors(kit: Kit) -> Answer:
    reply = await kit.transport.run(Command("/rds-csi-has-no-such-menu/print"))
    error = error_from_text(reply.text.strip())
    found = f"it exits with {reply.status} and says it in words"
    if not reply.text.strip():
        return different(f"it exits with {reply.status} and says nothing")
    other = f"it exits with {reply.status}, and its words are not in the driver's table"
    return settle(found, otherwise=other, holds=isinstance(error, CommandUnknown))


async def _pools(kit: Kit, features: Features) -> tuple[tuple[Item, ...], str]:
    command = commands.ask(features, "/disk", _MOUNTED)
    reply = await kit.transport.run(command)
    (found,) = listings(reply.text, command)
    return tuple(found), reply.text


async def json_form(kit: Kit) -> Answer:
    features = await kit.features()
    if not features.json:
        return unknown("this release has no JSON; the driver reads its text form")
    try:
        items, text = await _pools(kit, features)
    except GarbledReply as error:
        return different(error.message)
    sizes = [item["size"] for item in items if "size" in item]
    if not sizes:
        return unknown("nothing is mounted, so there was nothing to read")
    kinds = {type(size).__name__ for size in sizes}
    decimals = " with decimals" if re.search(r"\d\.0{3,}", text) else ""
    found = f"{len(items)} mounted disks were read; sizes are {'/'.join(sorted(kinds))}{decimals}"
    numbers = all(str(size).replace(" ", "").partition(".")[0].isdecimal() for size in sizes)
    return settle(found, otherwise=f"sizes are no whole numbers: {sizes[0]!r}", holds=numbers)


async def text_form(kit: Kit) -> Answer:
    features = await kit.features()
    try:
        items, text = await _pools(kit, replace(features, json=False))
    except GarbledReply as error:
        return different(error.message)
    longest = max(map(len, text.splitlines()), default=0)
    width = "wide lines" if longest > _WIDE else f"lines of at most {longest} characters"
    found = f"{len(items)} mounted disks were read, from {width}"
    if not features.json:
        return confirmed(found) if items else unknown("nothing is mounted")
    other, _ = await _pools(kit, features)
    same = {str(one.get("slot")) for one in items} == {str(one.get("slot")) for one in other}
    return settle(found, otherwise=f"{found}, and JSON lists {len(other)}", holds=same)


async def patterns(kit: Kit) -> Answer:
    pools, _ = await _pools(kit, await kit.features())
    mounts = [str(pool["mount-point"]) for pool in pools if pool.get("mount-point")]
    if not mounts:
        return unknown("nothing is mounted, so there was nothing to match")
    name = mounts[0]
    literal = commands.literal_pattern(name)
    hits = (f"^({literal}|none)$", f"^/?{literal}$", f"(^|/)[{name[0]}]{literal[1:]}$")
    misses = (f"^{literal}[.]$", f"^{literal}none$", "^[.]{9}$")
    wrong = []
    for pattern, wanted in [(one, True) for one in hits] + [(one, False) for one in misses]:
        found = await kit.items("/disk", f"mount-point~{quote(pattern)}")
        if any(one.get("mount-point") == name for one in found) is not wanted:
            wrong.append(pattern.replace(literal, "POOL"))
    return settle(
        f"{len(hits)} patterns match what they should, {len(misses)} others do not",
        otherwise=f"these patterns do not do what they should: {', '.join(wrong)}",
        holds=not wrong,
    )


async def counting(kit: Kit) -> Answer:
    find = f"/disk/find where slot={quote(kit.prefix + 'none')}"
    text = await kit.say(
        f':if ({commands.count(find)} = 0) do={{:put "none"}} else={{:put "some"}}'
    )
    return settle("none of nothing is 0", otherwise="it is not", holds=text == "none")


async def batching(kit: Kit) -> Answer:
    lines = (':put "one"', "/rds-csi-has-no-such/print", ':put "three"')
    # A line that cannot be parsed keeps all of it from running, so the bad one fails when it runs.
    bad = f"/disk/get [find slot={quote(kit.prefix + 'none')}] size"
    text = await kit.say(join_commands([Command(lines[0]), Command(bad), Command(lines[2])]))
    answers = split_answers(text, 3)
    if answers is None:
        return different("the device did not take several commands in one line")
    first, second, third = (one.strip() for one in answers)
    ok = (first, third) == ("one", "three") and second not in {"", "one", "three"}
    return settle(
        "three commands in one line have three answers, and one failing leaves the others alone",
        otherwise="the answers of commands that share a line cannot be told apart",
        holds=ok,
    )


async def long_lines(kit: Kit) -> Answer:
    limit = BatchLimits().characters
    for size in (1024, limit // 4, limit):
        padding = "x" * (size - 16)
        try:
            text = await kit.say(f':put [:len "{padding}"]')
        except OutcomeUnknown:
            text = ""
        if text != str(len(padding)):
            return different(f"a line of {size} characters is not answered as it should be")
    return confirmed(f"a line of {limit} characters is read")


async def sessions(kit: Kit) -> Answer:
    most, reached = kit.options.sessions, 0
    config = replace(kit.options.config, max_sessions=most, command_timeout=15.0)
    async with open_taped(config, kit.tape, read_only=True) as (rds, transport):
        await rds.read_features()
        for count in sorted({min(n, most) for n in (1, 2, 4, 8, 12, 16, 20, most)}):
            # What takes a moment, so that all are open together; 7.x has `:delay`.
            asking = [
                transport.run(Command(f':do {{:delay 300ms}} on-error={{}}; :put "{count}-{n}"'))
                for n in range(count)
            ]
            ended = await asyncio.gather(*asking, return_exceptions=True)
            failed = [one for one in ended if isinstance(one, BaseException)]
            if failed:
                reason = "refused" if isinstance(failed[0], Unreachable) else "not answered"
                return different(
                    f"{reached} sessions at once work; of {count}, {len(failed)} were {reason}"
                )
            reached = count
    shown = await _shown_limit(kit)
    return confirmed(f"{reached} sessions at once work{shown}")


async def _shown_limit(kit: Kit) -> str:
    try:
        found = await kit.items("/ip/service", 'name="ssh"')
    except RdsCsiError:
        return ""  # the user may not look at services, or the release has no such property
    limits = [str(item["max-sessions"]) for item in found if "max-sessions" in item]
    return f"; the device says that {limits[0]} may be open" if limits else ""


async def traffic(kit: Kit) -> Answer:
    pools, _ = await _pools(kit, await kit.features())
    slots = [str(pool["slot"]) for pool in pools if pool.get("slot")]
    if not slots:
        return unknown("nothing is mounted, so there was nothing to read")
    found = await kit.rds.read_traffic(slots[:1])
    full = [one for one in found if None not in {one.read_ops, one.write_bytes, one.in_flight}]
    return settle(
        "operations, bytes and what is in flight are read",
        otherwise="not all of operations, bytes and what is in flight can be read",
        holds=bool(full),
    )


async def health(kit: Kit) -> Answer:
    disks = await kit.rds.read_disk_health()
    drives = [disk for disk in disks if disk.kind == "hardware"]
    arrays = [disk for disk in disks if disk.kind == "raid"]
    stated = [disk for disk in arrays if disk.states]
    found = f"{len(drives)} drives and {len(arrays)} arrays are listed, {len(stated)} with a state"
    if not arrays and not drives:
        return unknown("neither drives nor arrays are listed")
    return settle(found, otherwise=found, holds=len(stated) == len(arrays))


_Q = partial(Question[Kit])
_BUG = "nothing to choose: send this report, and the transcript with it"

QUESTIONS = (
    _Q(
        "release",
        "RouterOS is 7.21 or newer",
        "before it an export has no NQN of its own, and nodes refuse bare names",
        "upgrade the device",
        release,
    ),
    _Q(
        "error-texts",
        "a command that fails says so in words that the driver knows",
        "what a failure means is told by its text; RouterOS was seen to exit with 0",
        _BUG,
        errors,
    ),
    _Q(
        "json-form",
        "listings come as JSON, with sizes in whole bytes",
        "every reading of volumes and pools",
        _BUG,
        json_form,
    ),
    _Q(
        "text-form",
        "listings for people are read as the same, however they are folded",
        "releases before 7.16, and the release itself",
        _BUG,
        text_form,
    ),
    _Q(
        "patterns",
        "a pattern in `where` matches what it should, quoted as the driver does it",
        "finding volumes, their files and their copies",
        _BUG,
        patterns,
    ),
    _Q("counting", "the number of nothing is 0", "every condition before a change", _BUG, counting),
    _Q(
        "batching",
        "several commands in one line are answered one by one",
        "sharing of round trips under load",
        "--rds-batch-commands=1",
        batching,
    ),
    _Q(
        "long-lines",
        "a line of 16,384 characters is read",
        "sharing of round trips under load",
        "--rds-batch-commands=1, or fewer than 16",
        long_lines,
    ),
    _Q(
        "traffic",
        "the traffic of a disk is read",
        "metrics of the device",
        "nothing to choose: those metrics are missing",
        traffic,
    ),
    _Q(
        "health",
        "every array says how it is",
        "the condition of volumes, and alerts",
        "watch the arrays by other means: the driver takes an array that says nothing for sound",
        health,
    ),
    _Q(
        "sessions",
        "as many commands at once as the driver uses are taken",
        "--rds-max-sessions, which is 8",
        "--rds-max-sessions below the number that works, or raise max-sessions of /ip/service ssh",
        sessions,
    ),
)
