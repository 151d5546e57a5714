"""The simulated device's state in a directory, so that it is the same device after a restart."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from libs.mockrds.device import Device
from libs.mockrds.disks import Disk
from libs.mockrds.files import Pool
from libs.mockrds.subvolumes import Subvolume

_FILE = "device.json"


class Store:
    """Keeps the state of a device; writes only what has changed, and never half of it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / _FILE
        self._written = ""

    def load(self, device: Device) -> None:
        """Give a device the state that was kept; without one it stays as it is.

        Raises:
            ValueError: what was kept cannot be read.
        """
        if not self._path.exists():
            return
        try:
            state: dict[str, Any] = json.loads(self._path.read_text())
            device.pools = [Pool(**pool) for pool in state["pools"]]
            device.disks = [Disk(**disk) for disk in state["disks"]]
            device.files = dict(state["files"])
            device.shared = set(state["shared"])
            device.subvolumes = [Subvolume(**sub) for sub in state["subvolumes"]]
            device.next_id = int(state["next_id"])
            device.serial = str(state.get("serial", device.serial))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self._path} is no state of a device: {error!r}") from error

    def save(self, device: Device) -> None:
        """Keep the state as it is now."""
        text = json.dumps(
            {
                "pools": [dataclasses.asdict(pool) for pool in device.pools],
                "disks": [{"id": disk.id, "properties": disk.properties} for disk in device.disks],
                "files": device.files,
                "shared": sorted(device.shared),
                "subvolumes": [dataclasses.asdict(sub) for sub in device.subvolumes],
                "next_id": device.next_id,
                "serial": device.serial,
            }
        )
        if text == self._written:
            return
        new = self._path.with_suffix(".new")
        # NVMe passwords are in it.
        new.touch(mode=0o600)
        with new.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._written = text
