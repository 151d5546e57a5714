"""`python -m tests.chaos`: everything at once, and everything goes wrong."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chaos import report
from tests.chaos.clocks import COMPILER
from tests.chaos.programs import HouseBroken
from tests.chaos.run import Options, run
from tests.component.node.rig import why_not

FULL_SECONDS = 180.0
LEAST = {"operations": 2000, "faults": 200}
"""What there has to be in a run of that length."""


def parse(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=secrets.randbelow(10**6), help="of an earlier run")
    add("--seconds", type=float, default=FULL_SECONDS, help="for so long (%(default)s)")
    add("--intensity", type=float, default=1.0, help="how often, in comparison (%(default)s)")
    add("--clients", type=int, default=8, help="(%(default)s)")
    add("--nodes", type=int, choices=range(3, 10), default=3, help="(%(default)s)")
    return Options(**vars(parser.parse_args(arguments)))


def too_little(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a run of full length did not reach: then it has shown too little."""
    if found["seconds"] >= FULL_SECONDS and found["intensity"] >= 1:
        for what, least in LEAST.items():
            if found[what] < least:
                yield f"{found[what]} {what} show too little: there have to be {least}"
        if COMPILER is None:
            yield "no process had a clock of its own: that takes a C compiler (cc)"


def main() -> int:
    """Run, and return the exit code."""
    if why := why_not():
        sys.stderr.write(f"chaos needs to mount filesystems: {why}\n")
        return 2
    options = parse(sys.argv[1:])
    again = " ".join(f"--{name}={value}" for name, value in vars(options).items())
    sys.stdout.write(f"./dev chaos {again}\n")
    sys.stdout.flush()
    directory = Path(tempfile.mkdtemp(prefix="rds-chaos-"))
    found = None
    try:
        found = asyncio.run(run(options, directory))
    except* HouseBroken as group:
        sys.stdout.write(f"{group.exceptions}\n")
    except* KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
    if found is None:
        sys.stdout.write(f"nothing can be said; logs: {directory}/logs\n")
        return 2
    found["broken"] += too_little(found)
    report.write(found)
    sys.stdout.write(report.show(found) + "\n")
    if found["broken"]:
        sys.stdout.write(f"\nagain: ./dev chaos {again}\nlogs: {directory}/logs\n")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
