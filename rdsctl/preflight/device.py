"""Reads what preflight needs of a device over SSH: questions, and nothing that changes anything."""

import asyncio
from collections.abc import Sequence
from functools import partial

from libs.core.errors import RdsCsiError, Unreachable
from libs.core.ids import MANAGED_PREFIXES
from libs.core.images import Image
from libs.core.paths import DevicePath
from libs.rdsclient import commands
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.listing import Item
from libs.rdsclient.model import Features
from libs.rdsclient.replies import listings
from rdsctl.preflight.model import Device

_SEPARATORS = str.maketrans({";": ",", " ": ","})


async def read_device(config: RdsConfig, bases: tuple[DevicePath, ...], limit: float) -> Device:
    """Read a device.

    Args:
        config: how it is reached.
        bases: directories to look at; where there are none, those that volumes are in.
        limit: seconds for all of it.

    Raises:
        Unreachable: it does not answer, shows another host key, or does not let the user in.
        RdsCsiError: its answers cannot be read, or its release is too old.
    """
    try:
        async with asyncio.timeout(limit), open_rds(config) as rds:
            return await _read(rds, config, bases)
    except TimeoutError:
        raise Unreachable(
            f"the device at {config.address} was not read within {limit:g} s"
        ) from None


async def _read(rds: RdsClient, config: RdsConfig, bases: tuple[DevicePath, ...]) -> Device:
    features = await rds.read_features()
    if not bases:
        disks = await rds.list_disks(MANAGED_PREFIXES)
        images = (Image.parse(disk.path) for disk in disks)
        bases = tuple(sorted({image.directory for image in images if image}))
    storage = await rds.list_storage(bases)
    mounting = await _items(rds, features, "/disk", "type=file and mount-filesystem=yes")
    return Device(
        address=config.address,
        user=config.user,
        name=await rds.read_identity(),
        system=await rds.read_system(),
        bases=bases,
        directories=tuple([base for base in bases if await _is_directory(rds, features, base)]),
        storage=storage,
        mounting=None if mounting is None else tuple(sorted(_texts(mounting, "slot"))),
        policies=await _policies(rds, features, config.user),
        sessions=await _sessions(rds, features),
    )


async def _is_directory(rds: RdsClient, features: Features, base: DevicePath) -> bool:
    found = await _items(rds, features, "/file", f"name={commands.quote(base.file_name)}")
    return any(item.get("type") in {"directory", "disk"} for item in found or ())


async def _policies(rds: RdsClient, features: Features, user: str) -> tuple[str, ...] | None:
    """Return what the user may do; None where it is not shown to it."""
    users = await _items(rds, features, "/user", f"name={commands.quote(user)}")
    groups = _texts(users or (), "group")
    if not groups:
        return None
    found = await _items(rds, features, "/user/group", f"name={commands.quote(groups[0])}")
    return parse_policies(found[0].get("policy")) if found else None


def parse_policies(value: object) -> tuple[str, ...] | None:
    """Read the policies of a group; those that it lacks can be listed with a `!` in front."""
    if isinstance(value, str):
        value = [part for part in value.translate(_SEPARATORS).split(",") if part]
    if not isinstance(value, list):
        return None
    return tuple(str(part) for part in value if not str(part).startswith("!"))


async def _sessions(rds: RdsClient, features: Features) -> int | None:
    found = await _items(rds, features, "/ip/service", 'name="ssh"')
    numbers = {str(item.get("max-sessions", "")).partition(".")[0] for item in found or ()}
    known = [int(text) for text in numbers if text.isascii() and text.isdecimal()]
    return min(known, default=None)


async def _items(
    rds: RdsClient, features: Features, menu: str, where: str
) -> tuple[Item, ...] | None:
    """Return a listing; None where the release does not have it, or the user may not see it."""
    command = commands.ask(features, menu, where)
    try:
        return await rds.ask("preflight", command, partial(_parse, command=command))
    except Unreachable:
        raise
    except RdsCsiError:
        return None


def _parse(text: str, command: Command) -> tuple[Item, ...]:
    (found,) = listings(text, command)
    return tuple(found)


def _texts(items: Sequence[Item], name: str) -> list[str]:
    return [str(item[name]) for item in items if name in item]
