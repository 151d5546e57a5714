"""The forms in which a device is tested: simulated ones, and a real one where there is one."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import MIB
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.render import Console
from libs.mockrds.testing import PASSWORD, running_device
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.model import DiskSpec

SIZE = 16 * MIB


@dataclass(frozen=True)
class Form:
    """A form that the device can take."""

    version: str = "7.24.4 (stable)"
    reply_form: Literal["auto", "json", "text"] = "auto"
    width: int = 0
    fold_inside: bool = False
    numbered: bool = True
    honest_status: bool = False
    device: dict[str, Any] = field(default_factory=dict)


FORMS = {
    "7.24": Form(),
    "7.24 status": Form(honest_status=True),
    "7.24 decimals": Form(device={"json_decimals": True}),
    "7.24 strict": Form(device={"strict_empty": True}),
    "7.24 text": Form(reply_form="text"),
    "7.24 text 80": Form(reply_form="text", width=80),
    "7.24 text 40": Form(reply_form="text", width=40),
    "7.24 text 80 folded": Form(reply_form="text", width=80, fold_inside=True),
    "7.24 text 50 folded": Form(reply_form="text", width=50, fold_inside=True, numbered=False),
    "7.24 text plain": Form(reply_form="text", width=80, numbered=False),
    "7.21": Form("7.21rc3"),
    "7.19": Form("7.19.6 (long-term)"),
    "7.17": Form("7.17 (stable)"),
    "7.17 text 60": Form("7.17 (stable)", reply_form="text", width=60, fold_inside=True),
}
if os.environ.get("RDS_TEST_HOST"):
    FORMS["real device"] = Form()


@dataclass
class Under:
    """A device under test: a client, and where it may make things."""

    rds: RdsClient
    base: DevicePath
    prefix: str
    password_of: Any = None

    def slot(self, name: str) -> Slot:
        return Slot.parse(f"{self.prefix}{name}")

    def spec(self, name: str, size: int = SIZE, port: int = 4420) -> DiskSpec:
        slot = self.slot(name)
        nqn = Nqn.parse(f"nqn.2000-02.com.mikrotik:{slot}")
        return DiskSpec(slot, self.base.image_of(slot), size, nqn, port)

    async def clean(self) -> None:
        for disk in await self.rds.list_disks((self.prefix,)):
            await self.rds.ensure_absent(Slot.parse(disk.slot), DevicePath.parse(disk.path))
        for file in await self.rds.list_files(self.base):
            if file.path.startswith(f"{self.base}/{self.prefix}"):
                path = DevicePath.parse(file.path)
                await self.rds.ensure_file_absent(self.slot("file"), path)


@contextlib.asynccontextmanager
async def simulated(form: Form) -> AsyncIterator[Under]:
    pools = [Pool("raid10", 64 * 2**30), Pool("tank", 64 * 2**30, "btrfs")]
    device = Device(pools, version=form.version, **form.device)
    async with running_device(device) as running:
        running.mock.style = Console(form.width, form.fold_inside, form.numbered)
        running.mock.honest_status = form.honest_status
        config = RdsConfig(
            running.host,
            running.port,
            host_key=running.host_key,
            password=Secret(PASSWORD),
            reply_form=form.reply_form,
        )
        async with open_rds(config) as rds:
            yield Under(rds, DevicePath.parse("/raid10/volumes"), "pvc-t-")


@contextlib.asynccontextmanager
async def real() -> AsyncIterator[Under]:
    key, password = os.environ.get("RDS_TEST_KEY_FILE"), os.environ.get("RDS_TEST_PASSWORD")
    config = RdsConfig(
        os.environ["RDS_TEST_HOST"],
        int(os.environ.get("RDS_TEST_PORT", "22")),
        user=os.environ.get("RDS_TEST_USER", "rds-csi"),
        host_key_file=Path(os.environ["RDS_TEST_HOST_KEY_FILE"]),
        key_file=Path(key) if key else None,
        password=Secret(password) if password else None,
    )
    async with open_rds(config) as rds:
        under = Under(
            rds,
            DevicePath.parse(os.environ["RDS_TEST_BASE_PATH"]),
            f"rdscsitest-{secrets.token_hex(4)}-",
        )
        try:
            yield under
        finally:
            await under.clean()
