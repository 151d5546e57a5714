"""Fuzzing that coverage guides: atheris, one process for each target, from one instrumented start.

atheris is no dependency of anything else: `./dev fuzz` puts it below `build/tools`, and where there
is no wheel of it for this interpreter, the plain engine does its work.
"""

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.engine import LONGEST, Failed, Target, fuzz

_DONE = re.compile(r"^Done (\d+) runs|^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE)
_PRODUCT = (
    *("libs.core", "libs.csikit", "libs.kube", "libs.nvmeof", "libs.rdsclient", "libs.rdshealth"),
    "services",
)
_SLOWEST = 10
"""Seconds for one input: more is a way to hold up a service."""
_MOST_MEMORY = 1500
"""MiB."""


@dataclass(frozen=True)
class Outcome:
    """What became of one target.

    Attributes:
        name: the target.
        inputs: how many were tried.
        report: what went wrong; empty where nothing did.
    """

    name: str
    inputs: int
    report: str = ""


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def run_guided(
    names: list[str], seconds: float, jobs: int, directory: Path, seed: int
) -> Iterator[Outcome]:
    """Fuzz the targets of these names, each for so long, and yield what became of each.

    What coverage chose to keep stays in the directory, and is where the next run begins.
    """
    atheris: Any = importlib.import_module("atheris")
    with (
        (directory / "instrumented.log").open("w") as log,
        contextlib.redirect_stderr(log),
        atheris.instrument_imports(include=list(_PRODUCT)),
    ):
        targets: dict[str, Target] = importlib.import_module("tests.fuzz.targets").TARGETS
    waiting = list(names or targets)
    running: dict[int, str] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            run = _Run(directory, name, seconds, seed)
            running[_fork(atheris, targets[name], run)] = name
        pid, status = os.wait()
        name = running.pop(pid)
        yield _read(_Run(directory, name, seconds, seed), os.waitstatus_to_exitcode(status))


@dataclass(frozen=True)
class _Run:
    directory: Path
    name: str
    seconds: float
    seed: int

    @property
    def corpus(self) -> Path:
        return self.directory / "corpus" / self.name

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def options(self) -> list[str]:
        return [
            self.name,
            str(self.corpus),
            f"-max_total_time={max(1, round(self.seconds))}",
            f"-max_len={LONGEST}",
            f"-timeout={_SLOWEST}",
            f"-rss_limit_mb={_MOST_MEMORY}",
            f"-seed={self.seed}",
            f"-artifact_prefix={self.directory}/failed-{self.name}-",
            "-print_final_stats=1",
        ]


def _fork(atheris: Any, target: Target, run: _Run) -> int:
    run.corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (run.corpus / f"seed-{number}").write_bytes(data)
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    with run.log.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    atheris.Setup(run.options, target.run)
    atheris.Fuzz()
    os._exit(0)


def _read(run: _Run, code: int) -> Outcome:
    text = run.log.read_text(errors="replace")
    counts = [int(one or other) for one, other in _DONE.findall(text)]
    if code == 0 and counts:
        return Outcome(run.name, max(counts))
    return Outcome(run.name, max(counts, default=0), f"it ended with {code}:\n{text[-4000:]}")


def run_plain(
    targets: dict[str, Target], names: list[str], seconds: float, directory: Path, seed: int
) -> Iterator[Outcome]:
    """Do the same with the plain engine."""
    for name in names or list(targets):
        started = time.monotonic()
        try:
            count = fuzz(targets[name], seed=seed, seconds=seconds)
        except Failed as failed:
            path = directory / f"failed-{name}-{int(started)}"
            with contextlib.suppress(OSError):
                path.write_bytes(failed.data)
            yield Outcome(name, 0, f"{failed.__cause__!r}; the input is in {path}")
        else:
            yield Outcome(name, count)
