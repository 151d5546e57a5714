"""A virtual machine with a Debian kernel, whose root is this host's own file system, read-only.

The project's virtual environment and tools just work in it, and it has what many build machines
lack: NVMe over TCP, both ends of it. QEMU emulates its processor, so that no privileges are needed;
it computes about fifteen times slower than the host, and runs a command some four seconds after it
was asked to.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.vm.guest import INIT, command_script, second_stage
from tests.vm.initrd import MachineUnable, build_initrd, newest_kernel, unpack_kernel

TIMED_OUT = 124
DIED = 125
"""Exit statuses of a machine that did not end in time, and of one that ended without a word."""

_QEMU = "qemu-system-x86_64"
_KERNEL_OPTIONS = (
    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on tsc=reliable "
    "no_timer_check rcupdate.rcu_expedited=1 nvme_core.multipath=Y "
    # Without it a large direct write kills the worker of the kernel's own target (Linux 6.1).
    "hardened_usercopy=off"
)


@dataclass(frozen=True)
class Machine:
    """How a machine is run.

    Attributes:
        scratch: a directory for what the machine is made of.
        results: one that the guest may write, under the same path.
        memory: as QEMU spells it.
        seconds: until it is killed.
    """

    scratch: Path
    results: Path
    memory: str = "2G"
    seconds: float = 300.0

    @property
    def console(self) -> Path:
        """Where the guest's serial console is kept."""
        return self.scratch / "console"

    def run(self, argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
        """Run a command in a machine of its own, show its output, and return its exit status.

        Raises:
            MachineUnable: this host lacks something.
        """
        if shutil.which(_QEMU) is None:
            raise MachineUnable(f"there is no {_QEMU}: apt-get install qemu-system-x86")
        release = newest_kernel()
        kernel = unpack_kernel(release, Path.home() / ".cache" / "rds-csi-vm")
        files = {
            "second.sh": second_stage(self.results),
            "command.sh": command_script(argv, directory, environment),
        }
        (self.scratch / "initrd").write_bytes(build_initrd(release, INIT, files))
        reader, writer = os.pipe()
        process = subprocess.Popen(  # noqa: S603 (QEMU with our own arguments)
            self._qemu(kernel, writer), stdin=subprocess.DEVNULL, pass_fds=[writer]
        )
        os.close(writer)
        pump = threading.Thread(target=_pump, args=(reader,), daemon=True)
        pump.start()
        try:
            process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            process.kill()
            process.wait()
            pump.join(5)
        return self._status()

    def _status(self) -> int:
        try:
            return int((self.scratch / "status").read_text())
        except (OSError, ValueError):
            return DIED

    def _qemu(self, kernel: Path, output: int) -> list[str]:
        ninep = "local,security_model=none,multidevs=remap"
        return [
            *(_QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"),
            *("-smp", "2", "-m", self.memory),
            *("-kernel", str(kernel), "-initrd", str(self.scratch / "initrd")),
            *("-append", _KERNEL_OPTIONS),
            *("-chardev", f"file,id=con,path={self.console}", "-serial", "chardev:con"),
            *("-device", "virtio-serial-pci", "-device", "virtio-rng-pci"),
            *("-chardev", f"file,id=out,path=/proc/self/fd/{output}"),
            *("-device", "virtserialport,chardev=out,name=rig.out"),
            *("-chardev", f"file,id=ret,path={self.scratch / 'status'}"),
            *("-device", "virtserialport,chardev=ret,name=rig.ret"),
            *("-fsdev", f"{ninep},id=root,path=/,readonly=on"),
            *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
            *("-fsdev", f"{ninep},id=results,path={self.results}"),
            *("-device", "virtio-9p-pci,fsdev=results,mount_tag=results"),
        ]


def _pump(reader: int) -> None:
    while chunk := os.read(reader, 65536):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    os.close(reader)


def log(started: float, text: str) -> None:
    """Say something about the machine, with the seconds since it was asked for."""
    sys.stderr.write(f"vm: {time.monotonic() - started:.1f} s: {text}\n")
