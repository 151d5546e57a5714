"""A device with an array, drives and sensors, and what is told of its health."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.hardware import Drive, Hardware
from libs.mockrds.snmp import SnmpAccess, open_snmp
from libs.mockrds.testing import RunningDevice, running_device
from libs.ops.metrics import Metrics
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdshealth.config import SnmpConfig
from services.controller.adapters.device_health import DeviceHealth, HealthOptions
from tests.component.rdsclient.test_transport import config
from tests.unit.ops.scrape import parse_scrape
from tests.waiting import PATIENCE

TIB = 2**40
PATIENT = HealthOptions(source_timeout=PATIENCE)


@dataclass
class Rig:
    """A device with an array, a drive and sensors, and what Prometheus sees of it."""

    device: RunningDevice
    rds: RdsClient
    snmp: SnmpConfig
    metrics: Metrics
    health: DeviceHealth

    async def scrape(self) -> dict[str, float]:
        """Return the samples of health, by name and the values of their labels."""
        await self.health.refresh()
        return self.samples()

    def samples(self) -> dict[str, float]:
        families = parse_scrape(self.metrics.render()[0].decode())
        return {
            " ".join([name, *(value for label, value in labels if label != "device")]): number
            for family in families.values()
            for (name, labels), number in family.samples.items()
        }

    def asked(self, what: str) -> list[str]:
        return [done.line for done in self.device.execs if what in done.line]

    def change(self, **given: Mapping[str, object]) -> None:
        self.device.state.hardware.change(given)


@contextlib.asynccontextmanager
async def open_rig(
    path: Path, options: HealthOptions = PATIENT, version: str = "7.24.4 (stable)"
) -> AsyncIterator[Rig]:
    (path / "community").write_text("geheim")
    state = Device([Pool("raid10", TIB, used=TIB // 4)], version=version)
    state.hardware = Hardware(drives=[Drive(slot="nvme1"), Drive(slot="nvme2")])
    access = SnmpAccess(Secret("geheim"))
    metrics = Metrics()
    async with (
        running_device(state) as device,
        open_snmp(lambda: state, "127.0.0.1", 0, access) as port,
        open_rds(config(device)) as rds,
        contextlib.aclosing(DeviceHealth(metrics, options)) as health,
    ):
        snmp = SnmpConfig(
            "127.0.0.1", port, community_file=path / "community", timeout=2.0, retries=20
        )
        health.add("rds-1", rds, snmp)
        await rds.read_features()
        yield Rig(device, rds, snmp, metrics, health)
