"""The simulated device's SNMP agent: its sensors and storages, over real UDP, versions 2c and 3."""

import bisect
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.files import Pool

Oid = tuple[int, ...]
Row = tuple[int | str, ...]

_GAUGES: Oid = (1, 3, 6, 1, 4, 1, 14988, 1, 1, 3, 100, 1)
_GAUGE_COLUMNS = (2, 3, 4)
_STORAGES: Oid = (1, 3, 6, 1, 2, 1, 25, 2, 3, 1)
_STORAGE_COLUMNS = (3, 4, 5, 6)
_FIRST_POOL = 262_145
_MAIN_MEMORY = 65_536

_CELSIUS, _RPM, _DECIWATTS, _STATUS = 1, 2, 5, 6
_UNIT = 1024
_ALL: Oid = (1, 3, 6)
_PUBLIC, _NONE = Secret("public"), Secret("")


@dataclass(frozen=True)
class SnmpAccess:
    """Who may ask: those who know the community, and a user of version 3, if there is one."""

    community: Secret = _PUBLIC
    user: str = ""
    auth: Secret = _NONE
    privacy: Secret = _NONE


def cells_of(device: Device) -> list[tuple[Oid, int | str]]:
    """Return all that the agent says, in the order of its OIDs."""
    cells = _cells(_GAUGES, _GAUGE_COLUMNS, _gauges(device))
    cells |= _cells(_STORAGES, _STORAGE_COLUMNS, _storages(device))
    return sorted(cells.items())


def _cells(table: Oid, columns: Oid, rows: dict[int, Row]) -> dict[Oid, int | str]:
    return {
        (*table, column, index): value
        for index, row in rows.items()
        for column, value in zip(columns, row, strict=True)
    }


def _gauges(device: Device) -> dict[int, Row]:
    sensors = device.hardware.sensors
    return {
        17: ("cpu-temperature", sensors.cpu_temperature, _CELSIUS),
        7001: ("fan1-speed", sensors.fan1, _RPM),
        7002: ("fan2-speed", sensors.fan2, _RPM),
        7101: ("board-temperature1", sensors.board_temperature, _CELSIUS),
        7401: ("psu1-state", int(sensors.psu1_failed), _STATUS),
        7402: ("psu2-state", int(sensors.psu2_failed), _STATUS),
        7501: ("psu1-power", sensors.psu1_deciwatts, _DECIWATTS),
        7502: ("psu2-power", sensors.psu2_deciwatts, _DECIWATTS),
        7601: ("psu1-temperature", sensors.psu1_temperature, _CELSIUS),
        7602: ("psu2-temperature", sensors.psu2_temperature, _CELSIUS),
    }


def _storages(device: Device) -> dict[int, Row]:
    memory: Row = ("main memory", _UNIT, 33_554_432, 2_097_152)
    pools = (_storage(device, pool) for pool in device.pools if pool.mounted)
    return {_MAIN_MEMORY: memory} | {_FIRST_POOL + i: row for i, row in enumerate(pools)}


def _storage(device: Device, pool: Pool) -> Row:
    used = pool.size - device.free(pool)
    return (pool.mount_point, _UNIT, _overflown(pool.size), _overflown(used))


def _overflown(size: int) -> int:
    """Return how many units a size is, as 32 bits with a sign have it: wrong above 2 TiB."""
    low = (size // _UNIT) % 2**32
    return low - 2**32 if low >= 2**31 else low


@contextlib.asynccontextmanager
async def open_snmp(
    device: Callable[[], Device], host: str, port: int, access: SnmpAccess
) -> AsyncIterator[int]:
    """Answer SNMP until the block ends; yields the UDP port.

    Args:
        device: what the answers are about, as it is at that moment.
        host: an IPv4 address to listen at.
        port: 0 takes any that is free.
        access: who may ask.

    Raises:
        OSError: the address cannot be used.
    """
    # Only where it is used: it takes a while to import.
    from pysnmp.carrier.asyncio.dgram import udp  # noqa: PLC0415
    from pysnmp.entity import config, engine  # noqa: PLC0415

    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)  # noqa: FBT003 (the standard library's)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    agent = engine.SnmpEngine()
    transport = udp.UdpAsyncioTransport().open_server_mode(sock=bound)
    config.add_transport(agent, udp.DOMAIN_NAME, transport)
    try:
        _admit(agent, access)
        _respond(agent, device)
        yield int(bound.getsockname()[1])
    finally:
        agent.close_dispatcher()
        bound.close()  # asyncio would do that a moment later


def _admit(agent: Any, access: SnmpAccess) -> None:  # noqa: ANN401 (of an untyped library)
    from pysnmp.entity import config  # noqa: PLC0415

    config.add_v1_system(agent, "monitors", access.community.reveal())
    config.add_vacm_user(agent, 2, "monitors", "noAuthNoPriv", _ALL)
    if access.user:
        config.add_v3_user(
            agent,
            access.user,
            config.USM_AUTH_HMAC96_SHA,
            access.auth.reveal(),
            config.USM_PRIV_CFB128_AES,
            access.privacy.reveal(),
        )
        config.add_vacm_user(agent, 3, access.user, "authPriv", _ALL)


def _respond(agent: Any, device: Callable[[], Device]) -> None:  # noqa: ANN401 (see _admit)
    from pysnmp.entity.rfc3413 import cmdrsp, context  # noqa: PLC0415

    whole = context.SnmpContext(agent)
    whole.unregister_context_name(b"")
    whole.register_context_name(b"", _Tables(device))
    for kind in (
        cmdrsp.GetCommandResponder,
        cmdrsp.NextCommandResponder,
        cmdrsp.BulkCommandResponder,
    ):
        kind(agent, whole)


class _Tables:
    """What pysnmp's responders ask for values, by the names of its own interface."""

    def __init__(self, device: Callable[[], Device]) -> None:
        self._device = device

    def read_variables(self, *asked: Any, **_: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 (see _admit)
        from pysnmp.proto import rfc1905  # noqa: PLC0415

        known = dict(cells_of(self._device()))
        return [
            (name, _typed(known[tuple(name)]) if tuple(name) in known else rfc1905.noSuchInstance)
            for name, _ in asked
        ]

    def read_next_variables(self, *asked: Any, **_: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 (see _admit)
        from pysnmp.proto import rfc1902, rfc1905  # noqa: PLC0415

        cells = cells_of(self._device())
        found = []
        for name, _value in asked:
            at = bisect.bisect_right([oid for oid, _ in cells], tuple(name))
            if at < len(cells):
                found.append((rfc1902.ObjectName(cells[at][0]), _typed(cells[at][1])))
            else:
                found.append((name, rfc1905.endOfMibView))
        return found


def _typed(value: int | str) -> Any:  # noqa: ANN401 (see _admit)
    from pysnmp.proto import rfc1902  # noqa: PLC0415

    return rfc1902.Integer32(value) if isinstance(value, int) else rfc1902.OctetString(value)
