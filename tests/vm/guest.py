"""What runs in the machine before and after the command: two small shell scripts."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

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
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/u,workdir=/upper/w root /new ||
    fail "no overlay"
$bb mkdir -p /new/run
$bb mount -t tmpfs -o mode=755 run /new/run
$bb mkdir -p /new/run/rig
$bb cp -r /rig/* /new/run/rig/
for directory in proc sys dev; do $bb mount -o move /$directory /new/$directory; done
exec $bb switch_root /new /bin/sh /run/rig/second.sh
"""

_SECOND = f"""
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin; ln -sf fd/1 /dev/stdout; ln -sf fd/2 /dev/stderr
hostname vm
ip link set lo up
mkdir -p {{results}}
mount -t 9p -o rw,{_NINEP},access=any,cache=mmap results {{results}} ||
    echo '<2>rig: no results' >/dev/kmsg
for port in /sys/class/virtio-ports/*; do
    read name <$port/name
    case $name in rig.out) out=/dev/${{{{port##*/}}}};; rig.ret) ret=/dev/${{{{port##*/}}}};; esac
done
[ -n "$out" ] || {{{{ echo '<2>rig: no port for output' >/dev/kmsg; exec reboot -f; }}}}
setsid sh /run/rig/command.sh </dev/null >$out 2>&1
code=$?
sync
echo $code >$ret
/bin/busybox sleep 0.05
exec /bin/busybox reboot -f
"""


def second_stage(results: Path) -> str:
    """Return the script that runs on the host's own files."""
    return _SECOND.format(results=shlex.quote(str(results)))


def command_script(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    """Return the script that runs the command."""
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    return f"{exports}cd {shlex.quote(str(directory))}\nexec {shlex.join(argv)}\n"
