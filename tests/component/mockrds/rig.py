"""A simulated device whose disks are exported by a target that knows a kernel's rules."""

from dataclasses import dataclass
from pathlib import Path

from libs.mockrds.device import Device
from libs.mockrds.exports import Subsystem
from libs.mockrds.files import Pool
from libs.mockrds.interpreter import Interpreter
from libs.mockrds.nvmet import Configfs
from libs.mockrds.target import ExportedFiles, mark_of
from tests.fakes.configfs import FakeConfigfs

ADD = (
    "/disk/add type=file slot={0} file-path=/raid10/{0}.img file-size=16M nvme-tcp-export=yes "
    "nvme-tcp-server-nqn=nqn.2000-02.com.mikrotik:{0} "
)
ALLOW = "nvme-tcp-server-allow-host-name"
NQN = "nqn.2000-02.com.mikrotik:a"
KEY = "nvme-tcp-server-password"


@dataclass
class Rig:
    """A device, its files, and the target that exports them."""

    path: Path
    tree: FakeConfigfs
    device: Device

    def say(self, *lines: str) -> str:
        return "".join(Interpreter(self.device).run(line)[0] for line in lines).strip()

    def exported(self) -> dict[str, Subsystem]:
        return Configfs(self.tree, mark_of(self.path)).read()

    def plane(self) -> ExportedFiles:
        assert isinstance(self.device.plane, ExportedFiles)
        return self.device.plane


def made(path: Path, tree: FakeConfigfs, *, is_open: bool = True) -> Rig:
    plane = ExportedFiles(path, tree, "127.0.0.1", is_open=lambda _: is_open)
    return Rig(path, tree, Device([Pool("raid10", 2**40)], plane))
