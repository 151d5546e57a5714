"""Questions for which this host connects."""

import asyncio
import base64
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from libs.core.errors import RdsCsiError, Unsupported
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import HostUnable
from libs.rdsclient.model import FileDisk
from tests.hardware.host import Host
from tests.hardware.kit import Kit
from tests.hardware.making import ONE
from tests.hardware.model import Answer, Half, Question, confirmed, different, settle, unknown

_LOOK_EVERY = 0.2


def host_of(kit: Kit) -> Host:
    if kit.host is None:
        raise Unsupported("this host takes no part (--nvme-address)")
    return kit.host


@asynccontextmanager
async def _exported(
    kit: Kit, name: str, secret: Secret | None = None, hosts: str = ""
) -> AsyncIterator[tuple[Host, FileDisk, Nqn]]:
    host = host_of(kit)
    spec = kit.spec(name)
    async with kit.disk(name, exported=True, allowed_host=hosts, password=secret) as disk:
        try:
            yield host, disk, spec.nqn
        finally:
            await host.disconnect(spec.nqn)


async def _admits(host: Host, nqn: Nqn, secret: Secret | None = None) -> str:
    """Connect and disconnect; return what went wrong."""
    try:
        await host.connect(nqn, secret)
    except HostUnable:
        raise
    except RdsCsiError as error:
        return error.message
    finally:
        await host.disconnect(nqn)
    return ""


async def _size_within(host: Host, nqn: Nqn, size: int, limit: float, *, rescan: bool) -> bool:
    end = asyncio.get_running_loop().time() + limit
    while await host.size(nqn, rescan=rescan) != size:
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_LOOK_EVERY)
    return True


async def connecting(kit: Kit) -> Answer:
    async with _exported(kit, "connect") as (host, disk, nqn):
        try:
            size = await host.connect(nqn)
        except RdsCsiError as error:
            return different(f"this host cannot connect: {error.message}")
    return settle(
        "this host connects, and sees the size",
        otherwise=f"this host sees {size} bytes instead of {disk.size}",
        holds=size == disk.size,
    )


async def growing(kit: Kit) -> Answer:
    async with _exported(kit, "seen") as (host, disk, nqn):
        await host.connect(nqn)
        size = 2 * disk.size
        await kit.rds.ensure_size(kit.slot("seen"), size, disk.size, kit.base.pool)
        if await _size_within(host, nqn, size, kit.options.patience / 3, rescan=False):
            return confirmed("a connected host sees the new size by itself")
        if await _size_within(host, nqn, size, kit.options.patience / 3, rescan=True):
            return confirmed("a connected host sees the new size when it looks again")
    return different("a connected host does not see the new size")


async def enforcing(kit: Kit) -> Answer:
    found = []
    cases = (("only another", ONE, False), ("only this", "", True), ("both", f"{ONE},", True))
    for number, (whom, hosts, wanted) in enumerate(cases):
        own = hosts if whom == "only another" else f"{hosts}{host_of(kit).nqn}"
        async with _exported(kit, f"list{number}", hosts=own) as (host, _, nqn):
            if (not await _admits(host, nqn)) is not wanted:
                found.append(f"this host is {'refused' if wanted else 'admitted'} where {whom} is")
    return settle(
        "who is on the list is admitted, and nobody else",
        otherwise="; ".join(found) + " on the list",
        holds=not found,
    )


async def _lives_after(kit: Kit, name: str, *, cut: bool) -> bool:
    """Whether this host's connection lives on after it was taken off the list."""
    async with _exported(kit, name, hosts=host_of(kit).nqn) as (host, _, nqn):
        await host.connect(nqn)
        await kit.rds.ensure_allowed_host(kit.slot(name), ONE, cut=cut)
        end = asyncio.get_running_loop().time() + kit.options.patience
        while await host.is_live(nqn):
            if asyncio.get_running_loop().time() > end:
                return True
            await asyncio.sleep(_LOOK_EVERY)
        if cut:
            return False
        # What was away for a moment may have come back.
        await asyncio.sleep(_LOOK_EVERY * 10)
        return await host.is_live(nqn)


async def keeping(kit: Kit) -> Answer:
    lives = await _lives_after(kit, "off", cut=False)
    what = "keeps its connection" if lives else "is cut off"
    return confirmed(f"a connected host that is taken off the list {what}")


async def cutting(kit: Kit) -> Answer:
    return settle(
        "stopping the export and beginning it again cuts off a host that is no longer allowed",
        otherwise="a host that is no longer allowed keeps its connection",
        holds=not await _lives_after(kit, "again", cut=True),
    )


def new_secret() -> Secret:
    """Return a DH-CHAP secret: 00 is a plain key, with its CRC-32 (NVMe TP 8006)."""
    key = secrets.token_bytes(32)
    whole = key + zlib.crc32(key).to_bytes(4, "little")
    return Secret(f"DHHC-1:00:{base64.b64encode(whole).decode()}:")


async def authenticating(kit: Kit) -> Answer:
    password, wrong = new_secret(), new_secret()
    for secret in (password, wrong):
        kit.tape.hide(secret.reveal())
    async with _exported(kit, "chap", password) as (host, _, nqn):
        # The device makes a secret of a password; who may not read it can only try the password.
        shown = str((await kit.item(kit.slot("chap"))).get("nvme-tcp-server-secret", ""))
        kit.tape.hide(shown)
        without = await _admits(host, nqn)
        refused = await _admits(host, nqn, wrong)
        admitted = await _admits(host, nqn, Secret(shown) if shown else password)
    if admitted and not shown:
        return unknown(
            "the device does not show this user which secret it made of the password (policy "
            "sensitive), and the password itself is none"
        )
    problems = [
        *(["who knows no secret is admitted"] if not without else []),
        *(["who has a wrong secret is admitted"] if not refused else []),
        *([f"who has the right secret is refused: {admitted}"] if admitted else []),
    ]
    whose = "the secret that the device shows" if shown else "a password in the form of a secret"
    return settle(
        f"only who knows {whose} is admitted", otherwise="; ".join(problems), holds=not problems
    )


_Q = partial(Question[Kit], half=Half.CONNECTING)

QUESTIONS = (
    _Q("connect", "a Linux host connects", "everything", "send this report", connecting),
    _Q(
        "grow-seen",
        "a connected host sees that a disk has grown",
        "expansion of volumes that are in use",
        "grow volumes while no pod uses them",
        growing,
    ),
    _Q(
        "allow-host-enforced",
        "hosts on the list are admitted, one or several, and no others",
        "fencing=host",
        "--fencing=false (the default), or --fencing-two-hosts=last where only lists fail",
        enforcing,
    ),
    _Q(
        "fencing-keeps",
        "what becomes of a connected host that is taken off the list",
        "to know; the driver leans on neither",
        "nothing to choose",
        keeping,
    ),
    _Q(
        "fencing-cuts",
        "stopping an export and beginning it again cuts a connected host off",
        "fencing of a node that is alive",
        "make sure that a node is off before its volumes go elsewhere",
        cutting,
    ),
    _Q(
        "password-works",
        "a password of the device is a secret of the host",
        "auth=dhchap",
        "do not use auth=dhchap",
        authenticating,
    ),
)
