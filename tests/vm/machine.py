"""A virtual machine with a Debian kernel, whose root is this host's own file system, read-only.

The project's virtual environment and tools just work in it, and it has what many build machines
lack: NVMe over TCP, both ends of it. QEMU emulates its processor, so that no privileges are needed;
it computes about fifteen times slower than the host, and runs a command some four seconds after it
was asked to.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.vm.guest import (
    INIT,
    PYTHON_FILES,
    Face,
    Identity,
    booted_mark,
    command_script,
    second_stage,
)
from tests.vm.initrd import BUSYBOX, MODULES, build_initrd
from tests.vm.kernel import Kernel, MachineUnable

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

Show = Callable[[bytes], None]
"""Takes what the command prints, as it comes."""


@dataclass(frozen=True)
class Command:
    """What a machine runs.

    Attributes:
        argv: the command.
        directory: where.
        environment: its whole environment.
    """

    argv: Sequence[str]
    directory: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Machine:
    """How a machine is run.

    Attributes:
        scratch: a directory for what it is made of.
        results: one that the guest may write, under the same path.
        kernel: what it boots.
        identity: its name and addresses.
        links: for each network card, a connected socket to that of another machine.
        face: where the command's input comes from.
        memory: as QEMU spells it.
        cpus: how many it has.
        seconds: until it is killed; None: it may take as long as it likes.
        hot: files that are in its memory from the start (tests/vm/hot.py).
    """

    scratch: Path
    results: Path
    kernel: Kernel
    identity: Identity = field(default_factory=Identity)
    links: tuple[int, ...] = ()
    face: Face = Face.OUTPUT
    memory: str = "2G"
    cpus: int = 1
    seconds: float | None = 600.0
    hot: tuple[Path, ...] = ()

    @property
    def console(self) -> Path:
        """Where the guest's serial console is kept."""
        return self.scratch / "console"

    async def run(self, command: Command, show: Show) -> int:
        """Run a command in a machine of its own, and return its exit status."""
        kernel = await asyncio.to_thread(self._prepare, command)
        reader, writer = os.pipe()
        async with _pumping(reader, show), self._start(kernel, writer) as process:
            try:
                async with asyncio.timeout(self.seconds):
                    await process.wait()
            except TimeoutError:
                return TIMED_OUT
        return self._status()

    def boot_seconds(self, started: float) -> float | None:
        """Return how long after a moment (of `time.time`) the command began; None: it has not."""
        with contextlib.suppress(FileNotFoundError):
            return booted_mark(self.results).stat().st_mtime - started
        return None

    def _prepare(self, command: Command) -> Path:
        files = {
            "identity.sh": self.identity.script(self.kernel),
            "second.sh": second_stage(self.results, self.face),
            **{f"python/{name}": text for name, text in PYTHON_FILES.items()},
            "command.sh": command_script(command.argv, command.directory, command.environment),
        }
        modules = (*MODULES, "virtio_net") if self.links else MODULES
        initrd = build_initrd(self.kernel, INIT, files, modules, self.hot)
        (self.scratch / "initrd").write_bytes(initrd)
        return self.kernel.unpacked()

    @contextlib.asynccontextmanager
    async def _start(self, kernel: Path, output: int) -> AsyncIterator[asyncio.subprocess.Process]:
        """Own QEMU, with whatever it starts: it is gone afterwards, also if this process is."""
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        try:
            process = await asyncio.create_subprocess_exec(
                *guard,
                *self._qemu(kernel, output),
                stdin=asyncio.subprocess.DEVNULL if self.face is Face.OUTPUT else None,
                pass_fds=[output, *self.links],
                start_new_session=True,
            )
        finally:
            os.close(output)
        try:
            yield process
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

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
            *("-smp", str(self.cpus), "-m", self.memory),
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
            *self._input(),
            *self._network(),
        ]

    def _input(self) -> list[str]:
        chardev = ["-chardev", "stdio,id=in,signal=off"]
        if self.face is Face.PIPE:
            return [*chardev, "-device", "virtserialport,chardev=in,name=rig.in"]
        if self.face is Face.TERMINAL:
            return [*chardev, "-device", "virtconsole,chardev=in"]
        return []

    def _network(self) -> list[str]:
        given = []
        for number, link in enumerate(self.links):
            # The last part is the machine's, so that no two cards on one wire have the same.
            own = int(self.identity.addresses[number].rpartition(".")[2])
            mac = f"52:54:00:77:{number:02x}:{own:02x}"
            given += ["-netdev", f"stream,id=net{number},addr.type=fd,addr.str={link}"]
            given += ["-device", f"virtio-net-pci,netdev=net{number},romfile=,mac={mac}"]
        return given


def check_tools() -> None:
    """Check that machines can be run here.

    Raises:
        MachineUnable: something is missing.
    """
    if shutil.which(_QEMU) is None:
        raise MachineUnable(f"there is no {_QEMU}: apt-get install qemu-system-x86")
    if not BUSYBOX.exists():
        raise MachineUnable("there is no busybox: apt-get install busybox-static")


@contextlib.asynccontextmanager
async def _pumping(output: int, show: Show) -> AsyncIterator[None]:
    """Show what comes, to its end, which is there when QEMU is gone."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb")
    )

    async def pump() -> None:
        while chunk := await reader.read(65536):
            show(chunk)

    task = asyncio.create_task(pump())
    try:
        yield
    finally:
        await task
        transport.close()
