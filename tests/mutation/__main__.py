"""`./dev mutation [MODULE...]`: whether the tests of the pure modules notice when one is changed.

Each mutant is a copy of a module with one small change (`operators`). The tests that come to the
changed line are run on it, the quickest first, until one fails. What fails none is a survivor: a
missing test, or a change that means the same, which a file in `explained` then says.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.mutation.imports import graph_of, modules_below, write_graph
from tests.mutation.orders import Baseline, Order, Outcome
from tests.mutation.report import Result, complaints, table
from tests.mutation.tree import (
    BUILD,
    TREE,
    Config,
    copy_tree,
    digest,
    pure_modules,
    read_config,
)

_LIMIT = 3600
_GRAPH = BUILD / "graph.json"
_REPORT = BUILD.with_suffix(".json")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names or beginnings of names; all without one")
    parser.add_argument("--survivors", action="store_true", help="only what survived the last time")
    parser.add_argument("--workers", type=int, default=2, help="processes at once (%(default)s)")
    return parser.parse_args()


def _asked(names: list[str], modules: dict[str, Path]) -> list[str]:
    """Return the modules in the order in which they were asked for."""
    return list(
        dict.fromkeys(
            module
            for name in names or [""]
            for module in modules
            if not name or f"{module}.".startswith(f"{name}.")
        )
    )


def _measure(paths: tuple[str, ...], files: list[Path]) -> dict[str, Any]:
    """Return what the unchanged tests do, from the last time if nothing has changed."""
    name = "-".join(path.removeprefix("tests/").replace("/", "_") for path in paths)
    kept = BUILD / "baselines" / f"{name}.json"
    now = digest(paths)
    if kept.exists():
        answer: dict[str, Any] = json.loads(kept.read_text())
        if answer["digest"] == now:
            return answer
    _say(f"running {' '.join(paths)} unchanged ...")
    done = subprocess.run(  # noqa: S603 (a module of our own)
        [sys.executable, "-m", "tests.mutation.baseline", *map(str, files), "--", *paths],
        cwd=TREE,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT,
    )
    answer = {**json.loads(done.stdout), "digest": now}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(answer))
    return answer


def _baseline(module: str, config: Config, modules: dict[str, Path]) -> Baseline:
    paths = config.tests_of(module)
    files = [file for name, file in modules.items() if config.tests_of(name) == paths]
    answer = _measure(paths, files)
    failed = set(answer["failed"])
    for test in sorted(failed):
        _say(f"left out, as it fails without any change: {test}")
    lines = answer["lines"].get(str(modules[module]), {})
    return Baseline(
        {line: [test for test in tests if test not in failed] for line, tests in lines.items()},
        {test: seconds for test, seconds in answer["seconds"].items() if test not in failed},
    )


def _last(module: str) -> list[Outcome]:
    kept = BUILD / "outcomes" / f"{module}.json"
    return [Outcome(**one) for one in json.loads(kept.read_text())] if kept.exists() else []


def _keep(module: str, outcomes: list[Outcome]) -> None:
    kept = BUILD / "outcomes" / f"{module}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([asdict(one) for one in outcomes], indent=1))


def _work(orders: list[Order]) -> Iterator[Outcome]:
    """Have workers try what they were ordered to."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.worker"],
            cwd=TREE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in orders
    ]
    try:
        for worker, order in zip(workers, orders, strict=True):
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(asdict(order)))
            worker.stdin.close()
        for worker in workers:
            assert worker.stdout is not None
            yield from (Outcome(**json.loads(line)) for line in worker.stdout)
            if worker.wait(_LIMIT):
                raise RuntimeError("a worker has failed: run it by hand, with its order as input")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(_LIMIT)


def _try_module(
    module: str, config: Config, modules: dict[str, Path], arguments: argparse.Namespace
) -> Result:
    last = _last(module)
    open_ones = [one.key for one in last if one.outcome in {"survived", "broken"}]
    if arguments.survivors and last and not open_ones:
        return Result(module, tuple(last), config.explained)
    baseline = _baseline(module, config, modules)
    order = Order(
        module,
        str(modules[module]),
        any(f"{module}.".startswith(f"{start}.") for start in config.texts),
        baseline,
        str(_GRAPH),
        warm=sorted({test.partition("::")[0] for test in baseline.seconds})[:1],
        killers={one.key: one.test for one in last if one.test},
        only=open_ones if arguments.survivors else [],
        shares=arguments.workers,
    )
    orders = [
        Order(**{**asdict(order), "baseline": baseline, "share": share})
        for share in range(arguments.workers)
    ]
    tried = list(_work(orders))
    if arguments.survivors:
        again = {one.key for one in tried}
        tried += [one for one in last if one.key not in again and one.key not in open_ones]
    tried.sort(key=lambda one: one.line)
    _keep(module, tried)
    return Result(module, tuple(tried), config.explained)


def main() -> int:
    arguments = _arguments()
    config = read_config()
    modules = pure_modules()
    copy_tree()
    _GRAPH.write_text(write_graph(graph_of(modules_below(TREE))))
    results = []
    for module in _asked(arguments.modules, modules):
        result = _try_module(module, config, modules, arguments)
        results.append(result)
        _say(table([result]).splitlines()[-1])
    kept = json.loads(_REPORT.read_text()) if _REPORT.exists() else {}
    kept |= {result.module: result.as_json() for result in results}
    _REPORT.write_text(json.dumps(kept, indent=1))
    said = complaints(results)
    sys.stdout.write(f"{said}\n\n{table(results)}\n")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
