"""A process: what it has used so far, as the kernel counts it, and its end."""

import asyncio
import contextlib
import time
from pathlib import Path

_END_SECONDS = 30.0


async def end(process: asyncio.subprocess.Process) -> None:
    """Tell a process to end, and kill it where it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, of all its threads and not of its children.

    The kernel has a clock for each process, in nanoseconds; /proc/PID/stat has the same in
    hundredths of a second, which is more than most calls take. The clock's number is what
    MAKE_PROCESS_CPUCLOCK makes it, in include/linux/posix-timers.h of Linux.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_mib(pid: int) -> float:
    """Return what a process has resident now."""
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """Return the most that a process has had resident."""
    return _status_mib(pid, "VmHWM")


def own_mib(pid: int) -> float:
    """Return what of a process nobody shares and no file has."""
    return _status_mib(pid, "RssAnon")


def _status_mib(pid: int, key: str) -> float:
    # The fields are those of the manual page proc_pid_status.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{key}:")]
    return round(int(line.split()[1]) / 1024, 1)
