"""The health of devices, read when somebody scrapes: disks, traffic, SMART, and SNMP.

Each source has a time limit of its own and keeps what it read for itself: one that is slow or
broken takes nothing from the others, and what it said before is forgotten rather than repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from libs.core.errors import RdsCsiError, Refused, Unreachable, Unsupported
from libs.ops.metrics import Metrics
from libs.rdsclient.client import RdsClient
from libs.rdsclient.errors import DeviceAway
from libs.rdsclient.health import DiskHealth, DiskTraffic
from libs.rdshealth.config import SnmpConfig
from libs.rdshealth.reader import SnmpReader
from services.controller.adapters.device_samples import (
    KINDS,
    Samples,
    of_disks,
    of_hardware,
    of_smart,
    of_traffic,
    reader,
)

log = structlog.get_logger(__name__)

DISKS, TRAFFIC, SMART, VOLUMES, SNMP = "disks", "traffic", "smart", "volumes", "snmp"

_CHUNK = 32
"""Disks whose traffic is asked for in one exec."""
_SMART_PAUSE = 600.0
"""Seconds after which a device that could not be asked for SMART is asked again: the form of the
command is not known, and one that hangs would hold a channel with every scrape."""


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """How devices are asked.

    Attributes:
        source_timeout: seconds for one source.
        volume_prefixes: what the slots of volumes begin with whose traffic is read, too; none by
            default: each volume is nine series, and a command on the device with every scrape.
        max_volumes: with more volumes than these, the traffic of none is read.
        forget_after: seconds after which what was read is not shown any more while it is read anew.
    """

    source_timeout: float = 5.0
    volume_prefixes: tuple[str, ...] = ()
    max_volumes: int = 256
    forget_after: float = 120.0


@dataclass(slots=True)
class _Source:
    """What one source said last.

    Attributes:
        samples: empty after a failure.
        at: when, by the clock of the event loop.
        problem: why it failed; empty after a success; None before either.
    """

    samples: Samples
    at: float = 0.0
    problem: str | None = None


class DeviceHealth:
    """The health of all devices, as metrics. `refresh` reads it; `Metrics.on_scrape` may call that.

    Args:
        metrics: where it is shown.
        options: how devices are asked.
    """

    def __init__(self, metrics: Metrics, options: HealthOptions | None = None) -> None:
        self._options = options or HealthOptions()
        self._devices: list[_Device] = []
        self._is_closed = False
        for name, kind in KINDS.items():
            add = metrics.read_counter if kind.is_counter else metrics.read_gauge
            add(
                name, kind.text, ("device", *kind.labels), reader(name, self._samples), namespace=""
            )
        metrics.read_gauge(
            "rds_health_source_up",
            "Whether this part of a device's health could be read (1) or not (0).",
            ("device", "source"),
            self._sources_up,
        )

    def add(self, device: str, client: RdsClient, snmp: SnmpConfig | None = None) -> None:
        """Watch a device.

        Args:
            device: its name, for the label.
            client: reads its disks; whoever opened it closes it.
            snmp: how to ask it over SNMP; not at all where it is left out.
        """
        self._devices.append(_Device(device, client, snmp, self._options))

    async def refresh(self) -> None:
        """Read everything anew, and remember it. What fails is logged and shown, never raised."""
        if self._is_closed:
            return
        await asyncio.gather(*(device.refresh() for device in self._devices))

    async def aclose(self) -> None:
        """Close what was opened to ask over SNMP; nothing is read any more."""
        self._is_closed = True
        await asyncio.gather(*(device.aclose() for device in self._devices))

    def _samples(self) -> Iterator[tuple[str, Iterator[Samples]]]:
        for device in self._devices:
            yield device.name, (source.samples for source in device.sources.values())

    def _sources_up(self) -> dict[tuple[str, ...], float]:
        return {
            (device.name, name): float(not source.problem)
            for device in self._devices
            for name, source in device.sources.items()
            if source.problem is not None
        }


class _Device:
    def __init__(
        self, name: str, client: RdsClient, snmp: SnmpConfig | None, options: HealthOptions
    ) -> None:
        self.name = name
        self._client = client
        self._snmp = SnmpReader(snmp) if snmp is not None else None
        self._options = options
        # The first to say something of a metric counts: the command line, before SNMP.
        self.sources = {name: _Source({}) for name in (DISKS, SMART, TRAFFIC, VOLUMES, SNMP)}
        self._disks: tuple[DiskHealth, ...] = ()
        self._sizes: dict[str, int] = {}
        self._no_smart_before = 0.0

    async def refresh(self) -> None:
        oldest = _now() - self._options.forget_after
        for source in self.sources.values():
            if source.at < oldest:
                source.samples = {}
        await asyncio.gather(self._refresh_disks(), self._take(SNMP, self._read_snmp))

    async def aclose(self) -> None:
        if self._snmp is not None:
            await self._snmp.aclose()

    async def _refresh_disks(self) -> None:
        await self._take(DISKS, self._read_disks)
        await asyncio.gather(
            self._take(TRAFFIC, self._read_traffic),
            self._take(VOLUMES, self._read_volumes),
            self._take(SMART, self._read_smart),
        )

    async def _take(self, name: str, read: Callable[[], Awaitable[Samples | None]]) -> None:
        """Read a source within its time; None is a source that is not asked here."""
        source, limit = self.sources[name], self._options.source_timeout
        try:
            async with asyncio.timeout(limit):
                samples = await read()
        except TimeoutError:
            self._fail(name, Unreachable(f"there was no answer within {limit:g} s"))
        except RdsCsiError as error:
            self._fail(name, error)
        except Exception as error:  # a bug in one source must not take the others along
            log.exception("health not read", device=self.name, source=name)
            self._fail(name, Unreachable("the driver failed", detail=repr(error)))
        else:
            if source.problem:
                log.info("health read again", device=self.name, source=name)
            source.problem = None if samples is None else ""
            source.samples, source.at = samples or {}, _now()

    def _fail(self, name: str, error: RdsCsiError) -> None:
        source = self.sources[name]
        if source.problem != error.message:  # once, not with every scrape
            log.warning(
                "health not read",
                device=self.name,
                source=name,
                reason=error.message,
                detail=error.detail,
            )
        source.samples, source.problem = {}, error.message

    async def _read_disks(self) -> Samples:
        self._disks = await self._client.read_disk_health()
        sizes = {disk.mount_point: disk.size for disk in self._disks if disk.size is not None}
        self._sizes |= sizes
        return of_disks(self._disks)

    async def _read_traffic(self) -> Samples | None:
        # Where the listing failed this time, those that there were.
        slots = [disk.slot for disk in self._disks]
        return of_traffic(await self._traffic_of(slots)) if slots else None

    async def _read_volumes(self) -> Samples | None:
        if not self._options.volume_prefixes:
            return None
        volumes = await self._client.list_disks(self._options.volume_prefixes)
        if len(volumes) > self._options.max_volumes:
            most = self._options.max_volumes
            raise Unsupported(f"traffic is read of at most {most} volumes, and there are more")
        return of_traffic(await self._traffic_of([volume.slot for volume in volumes]))

    async def _traffic_of(self, slots: list[str]) -> list[DiskTraffic]:
        """Ask for some at a time, one exec after the other: commands need the channels more."""
        found: list[DiskTraffic] = []
        for start in range(0, len(slots), _CHUNK):
            found += await self._client.read_traffic(slots[start : start + _CHUNK])
        return found

    async def _read_smart(self) -> Samples | None:
        """Ask the drives of which the listing does not tell, where the release can be asked."""
        slots = [disk.slot for disk in self._disks if disk.is_mute_drive]
        if not slots or not (await self._client.read_features()).smart:
            return None
        if _now() < self._no_smart_before:
            raise Refused(self.sources[SMART].problem or "the device could not be asked for SMART")
        self._no_smart_before = _now() + _SMART_PAUSE  # for whatever ends what follows
        try:
            found = await self._client.read_smart(slots)
        except DeviceAway:  # it was not even asked
            self._no_smart_before = 0.0
            raise
        self._no_smart_before = 0.0
        return of_smart(found)

    async def _read_snmp(self) -> Samples | None:
        if self._snmp is None:
            return None
        return of_hardware(await self._snmp.read(), self._sizes)


def _now() -> float:
    return asyncio.get_running_loop().time()
