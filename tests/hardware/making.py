"""Questions that take a disk of one's own."""

import secrets
from functools import partial

from libs.core.errors import (
    Conflict,
    Exhausted,
    NotFound,
    OutcomeUnknown,
    RdsCsiError,
    Unreachable,
)
from libs.core.secret import Secret
from libs.rdsclient import commands
from libs.rdsclient.commands import quote
from libs.rdsclient.errors import PermissionRefused, error_from_text
from tests.hardware.kit import Kit
from tests.hardware.model import (
    Answer,
    Half,
    Question,
    confirmed,
    different,
    settle,
    skipped,
    unknown,
)

ALLOWED = "nvme-tcp-server-allow-host-name"
ONE = "nqn.2014-08.org.nvmexpress:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
TWO = "nqn.2014-08.org.nvmexpress:uuid:1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f1"
"""Hosts that there are not."""
HUGE = 2**60


async def making(kit: Kit) -> Answer:
    size = kit.options.size + 4096
    async with kit.disk("add", size=size, exported=True) as disk:
        files = await kit.rds.list_files(kit.base)
        own = next((file for file in files if file.path == disk.path), None)
    wrong = []
    if disk.size != size:
        wrong.append(f"{size} bytes became {disk.size}")
    if (await kit.features()).nqn and disk.export and not disk.export.nqn.endswith(disk.slot):
        wrong.append("the NQN is not the one that was asked for")
    if disk.export is None:
        wrong.append("it is not exported")
    if own is None:
        wrong.append("its file is not listed")
    elif own.size not in {size, None}:
        wrong.append(f"its file has {own.size} bytes")
    return settle(
        "size, file, export and NQN are as asked", otherwise="; ".join(wrong), holds=not wrong
    )


async def emptiness(kit: Kit) -> Answer:
    none = f"[find slot={quote(kit.prefix + 'none')}]"
    text = await kit.say(f"/disk/set {none} nvme-tcp-export=no", changing=True)
    if not text:
        return confirmed("changing nothing is answered with nothing")
    known = isinstance(error_from_text(text), NotFound)
    return settle(
        "changing nothing is an error that the driver knows",
        otherwise="changing nothing is an error in words that the driver does not know",
        holds=known,
    )


async def twice(kit: Kit) -> Answer:
    async with kit.disk("twice") as disk:
        again = (
            f"/disk/add type=file file-path={quote(disk.path + '2')} file-size={disk.size} "
            f"slot={quote(disk.slot)} mount-filesystem=no"
        )
        text = await kit.say(again, changing=True)
        listed = await kit.items("/disk", commands.slot_is(kit.slot("twice")))
        # In any case: what was made by it lies beside the disk's own file.
        find = f"[find name={quote((disk.path + '2').lstrip('/'))}]"
        await kit.say(f"/file/remove {find}", changing=True)
    if len(listed) != 1:
        return different(f"there are {len(listed)} disks of one name")
    known = bool(text) and isinstance(error_from_text(text), Conflict)
    return settle(
        "a second disk of a name is refused, in words that the driver knows",
        otherwise="a second disk of a name is refused, in words that the driver does not know",
        holds=known,
    )


async def growing(kit: Kit) -> Answer:
    size = 2 * kit.options.size
    async with kit.disk("grow", exported=True) as disk:
        slot = kit.slot("grow")
        state = await kit.rds.ensure_size(slot, size, size - disk.size, kit.base.pool)
        grown = state.disk.size if state.disk else 0
        file = state.files[0].size if state.files else None
    holds = grown == size and file in {size, None}
    return settle(
        "an exported disk grows at once, and its file with it",
        otherwise=f"{size} bytes were asked for; the disk has {grown}, its file {file}",
        holds=holds,
    )


async def _host_of(kit: Kit, name: str, hosts: str) -> str:
    """Return what the device shows after this was set; raises where it is refused."""
    async with kit.disk(name, exported=True):
        await kit.rds.ensure_allowed_host(kit.slot(name), hosts)
        return str((await kit.item(kit.slot(name))).get(ALLOWED, ""))


async def one_host(kit: Kit) -> Answer:
    shown = await _host_of(kit, "host", ONE)
    return settle(
        "a whole host NQN is taken and shown as it was given (whom it admits: allow-host-enforced)",
        otherwise=f"a host NQN of {len(ONE)} characters is shown as {shown!r}",
        holds=shown == ONE,
    )


async def two_hosts(kit: Kit) -> Answer:
    shown = await _host_of(kit, "hosts", f"{ONE},{TWO}")
    return settle(
        "two host NQNs with a comma are taken (whom they admit: allow-host-enforced)",
        otherwise=f"two host NQNs are shown as {shown!r}",
        holds=shown.replace(";", ",").replace(" ", "") == f"{ONE},{TWO}",
    )


async def lifting(kit: Kit) -> Answer:
    async with kit.disk("lift", exported=True, allowed_host=ONE):
        slot = kit.slot("lift")
        given = str((await kit.item(slot)).get(ALLOWED, ""))
        await kit.rds.ensure_allowed_host(slot, "")
        shown = str((await kit.item(slot)).get(ALLOWED, ""))
    holds = (given, shown) == (ONE, "")
    return settle(
        "a restriction can be given when a disk is made, and lifted",
        otherwise=f"after it was lifted, the device shows {shown!r}",
        holds=holds,
    )


async def interrupting(kit: Kit) -> Answer:
    async with kit.disk("cut", exported=True):
        slot = kit.slot("cut")
        state = await kit.rds.ensure_allowed_host(slot, ONE, cut=True)
        export = state.disk.export if state.disk else None
    holds = export is not None and export.allowed_host == ONE
    return settle(
        "an export is stopped and begun again in one line (whom it cuts off: fencing-cuts)",
        otherwise="afterwards the disk is not exported, or not restricted",
        holds=holds,
    )


async def password(kit: Kit) -> Answer:
    secret = f"hwkit{secrets.token_hex(8)}"
    kit.tape.hide(secret)
    async with kit.disk("secret", exported=True):
        slot = kit.slot("secret")
        await kit.rds.ensure_password(slot, Secret(secret))
        listed = await kit.item(slot)
    if secret in str(listed):
        return different("a password is taken, and listings show it")
    shown = " (a secret made of it is listed)" if listed.get("nvme-tcp-server-secret") else ""
    return confirmed(f"a password is taken, and not shown by listings{shown}")


async def removing(kit: Kit) -> Answer:
    async with kit.disk("remove") as disk:
        slot = kit.slot("remove")
        await kit.say(f"/disk/remove [find slot={quote(disk.slot)}]", changing=True)
        left = await kit.rds.read_slot(slot)
        try:
            state = await kit.rds.ensure_absent(slot, kit.spec("remove").path)
        except PermissionRefused as error:
            return different(f"the file of a removed disk stays: {error.message}")
    if left.disk is not None:
        return different("the disk is still listed after it was removed")
    if state.files:
        return different("the file could not be removed")
    kept = "stays, and can be removed" if left.files else "goes with its disk"
    return confirmed(f"the file of a removed disk {kept}")


async def adopting(kit: Kit) -> Answer:
    spec = kit.spec("adopt")
    async with kit.disk("adopt"):
        await kit.say(f"/disk/remove [find slot={quote(spec.slot.text)}]", changing=True)
        if not (await kit.rds.read_slot(spec.slot)).files:
            return unknown("the device removes the file with the disk, so none was left")
        try:
            state = await kit.rds.ensure_disk(kit.spec("adopt", adopts=True, room=0))
        except (Unreachable, OutcomeUnknown):
            raise
        except RdsCsiError as error:
            return different(f"a disk over a file that is there is refused: {error.message}")
    size = state.disk.size if state.disk else 0
    return settle(
        "a disk can be made over a file that is there, and has its size",
        otherwise=f"the file has {spec.size} bytes, and the disk over it {size}",
        holds=size == spec.size,
    )


async def overfilling(kit: Kit) -> Answer:
    if not kit.options.overfill:
        return skipped("it was not asked for (--ask-for-too-much)")
    spec = kit.spec("huge")
    add = (
        f"/disk/add type=file file-path={quote(spec.path.text)} file-size={HUGE} "
        f"slot={quote(spec.slot.text)} mount-filesystem=no"
    )
    try:
        text = await kit.say(add, changing=True)
    finally:
        await kit.remove(spec)
    if not text:
        return different("a disk larger than the pool is made")
    return settle(
        "a disk larger than the pool is refused, in words that the driver knows",
        otherwise="a disk larger than the pool is refused, in words that the driver does not know",
        holds=isinstance(error_from_text(text), Exhausted),
    )


_Q = partial(Question[Kit], half=Half.MAKING)
_BUG = "nothing to choose: send this report, and the transcript with it"
_NO_FENCING = "--fencing=false, which is the default"

QUESTIONS = (
    _Q("disk-add", "a disk is made as asked, to the byte", "CreateVolume", _BUG, making),
    _Q("empty-set", "changing nothing is harmless", "every change is read back", _BUG, emptiness),
    _Q("name-taken", "a name is given once", "two controllers, one volume", _BUG, twice),
    _Q("grow", "an exported disk grows", "ControllerExpandVolume", _BUG, growing),
    _Q(
        "file-stays",
        "the user may remove files, which disks leave behind",
        "DeleteVolume",
        "give the user's group the policy ftp as well, if the words below speak of permissions",
        removing,
    ),
    _Q(
        "adopt",
        "a disk can be made over a file that is there",
        "volumes from snapshots and volumes",
        "--file-copies=false",
        adopting,
    ),
    _Q("allow-host", f"`{ALLOWED}` takes a host NQN", "fencing=host", _NO_FENCING, one_host),
    _Q(
        "allow-host-list",
        "it takes a list of them",
        "live migration of fenced volumes",
        "--fencing-two-hosts=last, or refuse",
        two_hosts,
    ),
    _Q("allow-host-lift", "the restriction can be lifted", "fencing=host", _NO_FENCING, lifting),
    _Q(
        "export-again", "an export is stopped and begun again", "fencing", _NO_FENCING, interrupting
    ),
    _Q(
        "password",
        "a password is taken and not shown",
        "auth=dhchap",
        "do not use auth=dhchap",
        password,
    ),
    _Q(
        "overfill",
        "what is larger than the pool is refused in words that the driver knows",
        "a full pool is answered with RESOURCE_EXHAUSTED",
        _BUG + "; the driver asks for the free space before it adds",
        overfilling,
    ),
)
