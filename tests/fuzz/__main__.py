"""`./dev fuzz`: every reader of outside input and every RPC, on input that makes no sense."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz.guided import Outcome, has_atheris, run_guided, run_plain

BUILD = Path("build/fuzz")
SERVICES = ("controller", "node", "reconciler")
_RPC_SHARE = 0.4


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    args = _parser().parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if args.service:
        return asyncio.run(_storm(args.service, args.seed, args.seconds))
    known = _targets()
    if unknown := [name for name in args.target if name not in known]:
        say(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    if args.replay:
        if len(args.target) != 1:
            say("--replay needs the --target that the input is for")
            return 2
        return _replay(args.target[0], args.replay)
    bad = 0
    started = time.monotonic()
    total: Counter[str] = Counter()
    for outcome in _everything(args, known):
        kind = "calls" if outcome.name in SERVICES else "inputs"
        total[kind] += outcome.inputs
        bad += bool(outcome.report)
        say(f"{outcome.name:18} {outcome.inputs:>10,} {kind}  {outcome.report or 'nothing'}")
    engine = "guided by coverage (atheris)" if has_atheris() else "plain: no atheris here"
    say(
        f"{total['inputs']:,} inputs and {total['calls']:,} calls in "
        f"{time.monotonic() - started:.0f} s, {engine}, seed {args.seed}: "
        f"{bad or 'nothing'} failed"
    )
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all of it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at once")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    parser.add_argument(
        "--target", action="append", default=[], help="only this reader; several are possible"
    )
    parser.add_argument("--replay", type=Path, help="try one input of --target again")
    parser.add_argument("--service", choices=SERVICES, help=argparse.SUPPRESS)
    return parser


def _everything(args: argparse.Namespace, known: list[str]) -> Iterator[Outcome]:
    end = time.monotonic() + args.seconds
    share = 0.0 if args.target else _RPC_SHARE
    for service in SERVICES if share else ():
        yield _storm_apart(service, args.seed, args.seconds * share / len(SERVICES))
    if has_atheris():
        count = len(args.target or known)
        each = max(1.0, (end - time.monotonic()) * min(args.jobs, count) / count)
        yield from run_guided(args.target, each, args.jobs, BUILD, args.seed)
        return
    targets = import_module("tests.fuzz.targets").TARGETS
    each = max(1.0, (end - time.monotonic()) / (len(args.target) or len(targets)))
    yield from run_plain(targets, args.target, each, BUILD, args.seed)


def _targets() -> list[str]:
    """Name them, by another process: here they are yet to be instrumented."""
    code = "from tests.fuzz.targets import TARGETS; print(*TARGETS)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 (ourselves)
    return done.stdout.split()


def _replay(name: str, path: Path) -> int:
    import_module("tests.fuzz.targets").TARGETS[name].run(path.read_bytes())
    say(f"{name} takes {path}")
    return 0


# The RPCs


def _storm_apart(service: str, seed: int, seconds: float) -> Outcome:
    """Storm a service in a process of its own, which may die."""
    command = [sys.executable, "-m", "tests.fuzz", f"--service={service}", f"--seed={seed}"]
    done = subprocess.run(  # noqa: S603 (ourselves)
        [*command, f"--seconds={seconds}"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 120,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return Outcome(service, 0, f"it ended with {done.returncode}; see {_log_of(service)}")
    found: dict[str, Any] = json.loads(lines[-1])
    return Outcome(service, found["calls"], "".join(f"\n    {one}" for one in found["wrong"]))


async def _storm(service: str, seed: int, seconds: float) -> int:
    structlog = import_module("structlog")
    rpcs = import_module("tests.fuzz.rpcs")
    with _log_of(service).open("w") as log, tempfile.TemporaryDirectory() as directory:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=repr),
            ],
            logger_factory=structlog.PrintLoggerFactory(log),
        )
        tally = await rpcs.run(service, Path(directory) / "it", seed=seed, seconds=seconds)
    codes = Counter[str]()
    for (_, code), count in tally.codes.items():
        codes[code] += count
    wrong = sorted({f"{method} {code} {data!r}" for method, code, data in tally.wrong})[:20]
    say(json.dumps({"calls": tally.calls, "codes": codes, "wrong": wrong}))
    return 0


def _log_of(service: str) -> Path:
    return BUILD / f"{service}.log"


if __name__ == "__main__":
    sys.exit(main())
