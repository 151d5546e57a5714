"""Reads a device's SNMP tables. The only module of the driver that knows pysnmp.

pysnmp takes 50 ms to import and 80 ms to get ready, so both happen in a thread, once SNMP is used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

from libs.core.errors import RdsCsiError, Refused, Unreachable, Unsupported
from libs.rdshealth.config import Credentials, SnmpConfig, read_credentials
from libs.rdshealth.tables import (
    GAUGE_COLUMNS,
    GAUGES,
    STORAGE_COLUMNS,
    STORAGES,
    Cells,
    Hardware,
    Oid,
    parse_hardware,
)

_ROWS = 16
"""Rows asked for at once: four columns of them stay well below a datagram of 1,472 bytes."""
_ROUNDS = 32
"""How often a table is gone on with, whatever the agent says."""

Cell = tuple[Oid, int | str | None]
Ask = Callable[[Sequence[Oid]], Awaitable[Sequence[Cell]]]


class SnmpReader:
    """Asks one device. What it needs is made at the first question; `aclose` ends it.

    A connectionless protocol has nothing to keep alive: between questions there is a socket, and
    what was agreed with the device's SNMPv3 engine.
    """

    def __init__(self, config: SnmpConfig) -> None:
        self._config = config
        self._engine: Any = None
        self._agreed: Credentials | None = None
        self._turn = asyncio.Lock()
        self._is_closed = False

    async def read(self) -> Hardware:
        """Read what the sensors say.

        Raises:
            Unreachable: there is no answer in time; with SNMP 2c, the community may be wrong.
            Refused: the device answers with an error, or does not accept the user.
            InvalidRequest: the credentials cannot be read.
            Unsupported: pysnmp is not installed.
        """
        async with self._turn:
            was_agreed = self._engine is not None and self._config.version == "3"
            try:
                return await self._read()
            except (Unreachable, Refused):
                if not was_agreed:
                    raise
            # What was agreed with an engine that has restarted is worth nothing.
            return await self._read()

    async def aclose(self) -> None:
        """Close the socket; who is reading gets Unreachable in the end, as all do from now on."""
        self._is_closed = True
        self._drop()

    def _drop(self) -> None:
        engine, self._engine, self._agreed = self._engine, None, None
        if engine is not None:
            engine.close_dispatcher()

    async def _read(self) -> Hardware:
        """Read once; where that fails nothing is kept."""
        try:
            return await self._try_to_read()
        except BaseException:
            self._drop()
            raise

    async def _try_to_read(self) -> Hardware:
        credentials = await asyncio.to_thread(read_credentials, self._config)
        snmp = await asyncio.to_thread(_library)
        if credentials != self._agreed:
            self._drop()
        if self._engine is None:
            engine = await asyncio.to_thread(snmp.SnmpEngine)
            if self._is_closed:
                raise Unreachable(f"the device at {self._config.address} is not asked any more")
            self._engine, self._agreed = engine, credentials
        try:
            asked = await self._question(snmp, credentials)
            gauges = await _table(asked, GAUGES, GAUGE_COLUMNS)
            storages = await _table(asked, STORAGES, STORAGE_COLUMNS)
        except RdsCsiError:
            raise
        except Exception as error:  # pysnmp and pyasn1 raise much, and document little
            raise Unreachable(
                f"the device at {self._config.address} could not be asked over SNMP",
                detail=repr(error),
            ) from error
        return parse_hardware(gauges, storages)

    async def _question(self, snmp: ModuleType, credentials: Credentials) -> Ask:
        config = self._config
        kind = snmp.Udp6TransportTarget if ":" in config.host else snmp.UdpTransportTarget
        target = await kind.create(
            (config.host, config.port), timeout=config.timeout, retries=config.retries
        )
        user = _user(snmp, config, credentials)

        async def ask(oids: Sequence[Oid]) -> Sequence[Cell]:
            failed, status, _, found = await snmp.bulk_cmd(
                self._engine,
                user,
                target,
                snmp.ContextData(),
                0,
                _ROWS,
                *(snmp.ObjectType(snmp.ObjectIdentity(oid)) for oid in oids),
                lookupMib=False,
            )
            if failed or status:
                raise self._failure(failed, status)
            return [(tuple(oid), _plain(value)) for oid, value in found]

        return ask

    def _failure(self, failed: object, status: object) -> RdsCsiError:
        where, detail = self._config.address, str(failed or status)
        if type(failed).__name__ == "RequestTimedOut":
            hint = ", or does not know the community" if self._config.version == "2c" else ""
            return Unreachable(
                f"the device at {where} does not answer over SNMP{hint}", detail=detail
            )
        return Refused(f"the device at {where} refuses to answer over SNMP", detail=detail)


async def _table(ask: Ask, table: Oid, columns: Sequence[int]) -> Cells:
    cells: dict[Oid, int | str] = {}
    at = {column: (*table, column) for column in columns}
    for _ in range(_ROUNDS):
        if not at:
            break
        asked = tuple(at)
        found = await ask([at[column] for column in asked])
        for number, (oid, value) in enumerate(found):
            column = asked[number % len(asked)]
            last = at.get(column, ())
            # Past the end of a column come others; and one that goes back would never end.
            if (
                last
                and value is not None
                and oid > last
                and oid[: len(table) + 1] == (*table, column)
            ):
                at[column] = oid
                cells[oid[len(table) :]] = value
            else:
                at.pop(column, None)
        if not found:
            break
    return cells


def _library() -> ModuleType:
    try:
        from pysnmp.hlapi.v3arch import asyncio as snmp  # noqa: PLC0415 (only where it is used)
    except ImportError as error:
        raise Unsupported("SNMP needs pysnmp, which is not installed", detail=str(error)) from error
    found: ModuleType = snmp
    return found


def _user(snmp: ModuleType, config: SnmpConfig, credentials: Credentials) -> object:
    if config.version == "2c":
        return snmp.CommunityData(credentials.community.reveal(), mpModel=1)
    return snmp.UsmUserData(
        config.user,
        credentials.auth.reveal(),
        credentials.privacy.reveal(),
        authProtocol=snmp.USM_AUTH_HMAC96_SHA,
        privProtocol=snmp.USM_PRIV_CFB128_AES,
    )


def _plain(value: Any) -> int | str | None:  # noqa: ANN401 (of an untyped library)
    """Return a number or a text; None for what says that there is nothing."""
    if hasattr(value, "asOctets"):
        return bytes(value.asOctets()).rstrip(b"\0").decode("utf-8", "replace")
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
