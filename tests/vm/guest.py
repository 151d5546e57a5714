"""What runs in the machine before and after the command: a few small shell scripts."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.vm.kernel import Kernel

PYTHON = Path("/run/rig/python")
"""Where the guest has what comes first on Python's path."""

PYTHON_FILES = {
    # Structlog does without, and is imported in half the time.
    "rich.py": 'raise ImportError("left out of the machine")\n',
    # What is imported is not garbage: looking for it takes a sixth of the time of importing.
    "sitecustomize.py": "import gc\n\ngc.set_threshold(50_000, 20, 20)\n",
}
"""What spares seconds of importing in the guest."""

_NINEP = "trans=virtio,version=9p2000.L,msize=512000"

INIT = f"""#!/bin/busybox sh
export PATH=/bin
bb=/bin/busybox
fail() {{ echo "<2>rig: $*" >/dev/kmsg; $bb sleep 1; $bb reboot -f; }}
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
while read module; do $bb insmod "/mods/$module" 2>/dev/null; done </mods/order
# The host's own files, which nothing in here can change.
$bb mount -t 9p -o ro,{_NINEP},cache=loose root /lower || fail "no root"
$bb mount -t tmpfs -o size=75% upper /upper && $bb mkdir /upper/u /upper/w || fail "no memory"
$bb mount -t overlay -o lowerdir=/hot:/lower,upperdir=/upper/u,workdir=/upper/w root /new ||
    fail "no overlay"
$bb mkdir -p /new/run
$bb mount -t tmpfs -o mode=755 run /new/run
$bb mkdir -p /new/run/rig
$bb cp -r /rig/* /new/run/rig/
for directory in proc sys dev; do $bb mount -o move /$directory /new/$directory; done
# Not switch_root, which would remove what is in /hot.
cd /new && $bb mount -o move . / && exec $bb chroot . /bin/sh /run/rig/second.sh
"""

_SECOND = """
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin; ln -sf fd/1 /dev/stdout; ln -sf fd/2 /dev/stderr
. /run/rig/identity.sh
ip link set lo up
mkdir -p {results}
mount -t 9p -o rw,{ninep},access=any,cache=mmap results {results} ||
    echo '<2>rig: no results' >/dev/kmsg
for port in /sys/class/virtio-ports/*; do
    read name <$port/name
    case $name in
        rig.in) in=/dev/${{port##*/}};;
        rig.out) out=/dev/${{port##*/}};;
        rig.ret) ret=/dev/${{port##*/}};;
    esac
done
[ -n "$out" ] || {{ echo '<2>rig: no port for output' >/dev/kmsg; exec reboot -f; }}
: >{booted}
{run}
code=$?
sync
echo $code >$ret
/bin/busybox sleep 0.05
exec /bin/busybox reboot -f
"""

_MODULES = """
modprobe -a loop nvmet nvmet-tcp nvme-tcp 2>$out
mount -t configfs configfs /sys/kernel/config
"""


class Face(Enum):
    """Where the command's input comes from, and its output goes."""

    OUTPUT = "setsid sh /run/rig/command.sh </dev/null >$out 2>&1"
    PIPE = _MODULES + "setsid sh /run/rig/command.sh <$in >$out 2>&1"
    TERMINAL = _MODULES + "setsid -c sh /run/rig/command.sh </dev/hvc0 >/dev/hvc0 2>&1"


@dataclass(frozen=True)
class Identity:
    """Who a machine is.

    Attributes:
        hostname: its name.
        uuid: of it as an NVMe host, for nvme-cli.
        addresses: of its network cards, in their order.
    """

    hostname: str = "vm"
    uuid: str = "00000000-0000-4000-8000-000000000001"
    addresses: tuple[str, ...] = ()

    @property
    def host_nqn(self) -> str:
        return f"nqn.2014-08.org.nvmexpress:uuid:{self.uuid}"

    def script(self, kernel: Kernel) -> str:
        """Return what makes it so."""
        lines = [
            f"hostname {self.hostname}",
            "mkdir -p /etc/nvme",
            f"echo {self.host_nqn} >/etc/nvme/hostnqn",
            f"echo {self.uuid} >/etc/nvme/hostid",
        ]
        for number, address in enumerate(self.addresses):
            lines += [f"ip addr add {address}/24 dev eth{number}", f"ip link set eth{number} up"]
        if kernel.root != Path("/"):
            modules, config = shlex.quote(str(kernel.modules)), shlex.quote(str(kernel.config))
            inside = f"/lib/modules/{kernel.release}"
            lines += [f"mkdir -p {inside}", f"mount --bind {modules} {inside}"]
            lines += [f"cp {config} /boot/"]
        return "".join(f"{line}\n" for line in lines)


def booted_mark(results: Path) -> Path:
    """Return the file that is made at the moment when the command is about to run."""
    return results / "booted"


def second_stage(results: Path, face: Face = Face.OUTPUT) -> str:
    """Return the script that runs on the host's own files."""
    return _SECOND.format(
        results=shlex.quote(str(results)),
        booted=shlex.quote(str(booted_mark(results))),
        ninep=_NINEP,
        run=face.value,
    )


def command_script(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    """Return the script that runs the command."""
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    return f"{exports}cd {shlex.quote(str(directory))}\nexec {shlex.join(argv)}\n"
