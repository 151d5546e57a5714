"""Run the tests of tests/vm/inside in a virtual machine: `python -m tests.vm [pytest arguments]`.

The result is in build/vm.xml, and the exit status is that of pytest; 124 if the machine did not end
in time, 125 if it died, 2 if this host cannot run one. The guest's console is kept in
build/vm-console.txt unless all went well.
"""

import argparse
import compileall
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.vm.initrd import MachineUnable
from tests.vm.machine import DIED, TIMED_OUT, Machine, log

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
CONSOLE = BUILD / "vm-console.txt"
_LAST_LINES = 40


def main() -> int:
    """Run the tests and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="until the machine is killed")
    parser.add_argument("--memory", default="2G", help="of the machine, as QEMU spells it")
    options, arguments = parser.parse_known_args()
    signal.signal(signal.SIGTERM, _stop)  # so that the machine ends with whoever ends this
    started = time.monotonic()
    # The guest would compile at a fifteenth of the speed, and could not keep what it compiled.
    for package in ("libs", "services", "protos", "tests"):
        compileall.compile_dir(ROOT / package, quiet=2)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rds-csi-vm-") as directory:
        scratch, results = Path(directory) / "machine", Path(directory) / "results"
        scratch.mkdir()
        results.mkdir()
        machine = Machine(scratch, results, options.memory, options.seconds)
        try:
            status = machine.run(_pytest(arguments, results), ROOT, _environment(results))
        except MachineUnable as error:
            log(started, str(error))
            return 2
        _keep(machine, results, status)
    log(started, f"ended with {status}")
    return status


def _pytest(arguments: list[str], results: Path) -> list[str]:
    paths = [argument for argument in arguments if argument.startswith("tests/")]
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        f"--junitxml={results / 'vm.xml'}",
        *([] if paths else ["tests/vm/inside"]),
        *arguments,
    ]


def _environment(results: Path) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "CI") if key in os.environ}
    return {**kept, "LANG": "C.UTF-8", "RDS_CSI_VM": str(results)}


def _keep(machine: Machine, results: Path, status: int) -> None:
    report = results / "vm.xml"
    (BUILD / "vm.xml").unlink(missing_ok=True)
    if report.exists():
        shutil.copy(report, BUILD / "vm.xml")
    CONSOLE.unlink(missing_ok=True)
    if status:
        shutil.copy(machine.console, CONSOLE)
    if status in {TIMED_OUT, DIED}:
        lines = CONSOLE.read_text(errors="replace").splitlines(keepends=True)
        sys.stderr.write("".join(lines[-_LAST_LINES:]))


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
