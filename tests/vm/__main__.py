"""Run the tests of tests/vm/inside in virtual machines: `python -m tests.vm [pytest arguments]`.

Without paths all tests run, in groups with a machine each (tests/vm/plan.py), two at a time; with
paths, those, in one machine. The result is in build/vm.xml, and the exit status is the first bad
one: that of pytest, 124 if a machine did not end in time, 125 if one died, 2 if this host cannot
run one. The consoles of machines in which not all went well are kept as build/vm-console-GROUP.txt.
`--shell` boots a machine with a shell on the terminal instead.
"""

import argparse
import asyncio
import compileall
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from rich.console import Console

from tests.vm import hot
from tests.vm.guest import PYTHON, PYTHON_FILES
from tests.vm.kernel import Kernel, MachineUnable, installed_kernel, kernel_with_authentication
from tests.vm.machine import check_tools
from tests.vm.plan import INSIDE, Group, chosen, distribute, split
from tests.vm.report import Outcome, merge, show_table, status_of
from tests.vm.runner import PYTEST, Host, log, run_chosen, run_groups
from tests.vm.shell import run_shell

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
_CANNOT = 2
_LEAN = {
    # Finding pytest's plugins by their entry points takes seconds in a machine.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONPATH": str(PYTHON),
}
_WIDE = 150
"""Columns of the table where there is no terminal."""


def main() -> int:
    """Run what was asked for and return the exit status."""
    options, arguments = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _stop)  # what is temporary goes, too
    BUILD.mkdir(exist_ok=True)
    try:
        check_tools()
        kernel = installed_kernel(options.kernel.resolve())
        with tempfile.TemporaryDirectory(prefix="rds-csi-vm-") as scratch:
            host = Host(
                ROOT,
                BUILD,
                Path(scratch),
                environment(),
                options.memory,
                options.cpus,
                options.seconds,
                options.at_once,
            )
            host = replace(host, hot=warm(host))
            kernel.unpacked()
            if options.shell:
                return run_to_end(run_shell(host, kernel))
            return run_tests(host, kernel, options, arguments)
    except MachineUnable as error:
        log(str(error))
        return _CANNOT


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return our options, and what is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__.split("\n")[0])
    parser.add_argument("--shell", action="store_true", help="boot a machine with a shell")
    parser.add_argument("--group", action="append", help="run only this group of tests; repeatable")
    parser.add_argument(
        "--kernel", type=Path, default=Path("/"), help="where a kernel's package was unpacked"
    )
    parser.add_argument("--seconds", type=float, default=900.0, help="until a machine is killed")
    parser.add_argument("--memory", default="2G", help="of a machine, as QEMU spells it")
    parser.add_argument("--cpus", type=int, help="of a machine, whatever its group says")
    parser.add_argument("--at-once", type=int, default=2, help="groups that run at a time")
    return parser.parse_known_args(argv)


def environment() -> dict[str, str]:
    """Return the environment of commands in a machine."""
    kept = {key: os.environ[key] for key in ("HOME", "CI", "TERM") if key in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "LANG": "C.UTF-8", **_LEAN}


def run_tests(host: Host, kernel: Kernel, options: argparse.Namespace, arguments: list[str]) -> int:
    """Run the tests, keep the report, show the table, and return the exit status."""
    for old in (BUILD / "vm.xml", *BUILD.glob("vm-console-*.txt")):
        old.unlink(missing_ok=True)
    paths, arguments = split(arguments)
    if paths:
        groups = [chosen(paths)]
    else:
        groups = distribute(path.name for path in (ROOT / INSIDE).glob("test_*.py"))
        groups = [each for each in groups if each.name in (options.group or [each.name])]
    ready, left_out = with_kernels(groups, kernel)
    run = run_chosen if paths else run_groups
    started = time.monotonic()
    ran = run_to_end(run(host, ready, arguments)) if ready else []
    outcomes = [*ran, *left_out]
    (BUILD / "vm.xml").write_text(merge(outcomes))
    show_table(outcomes, Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False))
    status = status_of(outcomes)
    log(f"ended with {status} after {time.monotonic() - started:.0f} s")
    return status


def with_kernels(
    groups: list[Group], kernel: Kernel
) -> tuple[list[tuple[Group, Kernel]], list[Outcome]]:
    """Return the groups with their kernels, and what is to be said of those that have none."""
    ready, left_out = [], []
    required = bool(os.environ.get("RDS_CSI_REQUIRE_KERNELS"))
    for group in groups:
        found = kernel_with_authentication(kernel) if group.authentication else kernel
        if found is None:
            reason = "no kernel with DH-CHAP: .ci/vm-kernel fetches one"
            left_out.append(Outcome(group.name, status=_CANNOT if required else 0, reason=reason))
        else:
            found.unpacked()
            ready.append((group, found))
    return ready, left_out


def warm(host: Host) -> tuple[Path, ...]:
    """Compile what the machines import, and return the files that they are to have in memory.

    They would compile at a fifteenth of the speed, each anew. Collecting the tests here has pytest
    keep its own form of them, too.
    """
    for package in ("libs", "services", "protos", "tests"):
        compileall.compile_dir(host.root / package, quiet=2)
    python, found = host.scratch / "python", host.scratch / "hot"
    python.mkdir()
    for name, text in PYTHON_FILES.items():
        (python / name).write_text(text)
    given = {"PYTHONPATH": str(python), hot.VARIABLE: str(found)}
    subprocess.run(  # noqa: S603 (our own arguments)
        [*PYTEST, "-p", "tests.vm.hot", "--collect-only", "-qq", INSIDE],
        cwd=host.root,
        env={**os.environ, **host.environment, **given},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,  # the machines tell what is wrong
    )
    return tuple(Path(each) for each in found.read_text().split("\n")) if found.exists() else ()


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run something; SIGTERM and SIGINT end it, and all machines with it."""

    async def until_told() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        told: list[int] = []

        def stop(number: int) -> None:
            told.append(number)
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        try:
            return await task
        except asyncio.CancelledError:
            raise SystemExit(128 + told[0]) from None

    return asyncio.run(until_told())


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
