"""Tries the mutants of one module: a process that imports what they leave alone, and forks.

Runs within the copy of the tree: `python -m tests.mutation.worker < ORDER`, which is what
`tests.mutation.orders.Order` says, as JSON; each line of the answer is one mutant's `Outcome`.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mutation.imports import modules_below, needed_by, read_graph, users_of
from tests.mutation.loader import put_in_place
from tests.mutation.mutants import Mutant, mutants_of, tree_of
from tests.mutation.orders import Baseline, Order, Outcome
from tests.mutation.selection import QUIET, Chosen, register_profile
from tests.mutation.session import Session, change, functions_of

_MEMORY = 2 << 30
_PATIENCE, _FACTOR = 20.0, 8.0
_SURVIVED, _KILLED, _BROKEN, _UNABLE = 0, 1, 2, 3
_ENDS = {_SURVIVED: "survived", _BROKEN: "broken", _UNABLE: "unable"}

Trial = Callable[[Order, Mutant, list[str]], tuple[int, str]]
"""Runs tests on a mutant, in a process of its own: gives how that ends, and what failed."""


def _prepare(order: Order) -> None:
    """Import what no mutant changes, and what pytest needs."""
    modules = modules_below(Path.cwd())
    graph = read_graph(Path(order.graph).read_text())
    users = users_of(order.module, graph)
    tests = {name for name in modules if Path(modules[name]).name.startswith("test_")}
    files = {str(Path(test.partition("::")[0])) for test in order.baseline.seconds}
    roots = {name for name, path in modules.items() if str(path.relative_to(Path.cwd())) in files}
    for name in sorted(needed_by(roots, graph) - users - tests):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    pytest.main([*QUIET, "--collect-only", *order.warm], plugins=[])
    for name in [name for name in sys.modules if name in users or name in tests]:
        del sys.modules[name]
        package, _, last = name.rpartition(".")
        # `from package import module` would find it there still.
        if package in sys.modules:
            vars(sys.modules[package]).pop(last, None)
    gc.collect()
    gc.freeze()


def _is_called(mutant: Mutant, order: Order) -> bool:
    """Whether a test comes to it in a call, and not only at the import."""
    return mutant.in_function and bool(_reached(mutant, order) - {""})


def _reached(mutant: Mutant, order: Order) -> set[str]:
    first, last = mutant.lines
    lines = order.baseline.lines
    return {test for line in range(first, last + 1) for test in lines.get(str(line), ())}


def _tests_for(mutant: Mutant, order: Order) -> list[str]:
    baseline = order.baseline
    reached = _reached(mutant, order)
    if not mutant.in_function or reached == {""}:
        # What runs at the import matters to whoever imports the module: the files of these tests.
        touching = {test for tests in baseline.lines.values() for test in tests} - {""}
        files = {test.partition("::")[0] for test in touching}
        near = {test for test in baseline.seconds if test.partition("::")[0] in files}
        reached = near or set(baseline.seconds)
    return sorted(reached - {""}, key=lambda test: (baseline.seconds.get(test, 0.0), test))


def _isolate() -> None:
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _import_changed(order: Order, mutant: Mutant, tests: list[str]) -> tuple[int, str]:
    """Run tests with the changed module imported anew."""
    path = Path(order.path).resolve()
    put_in_place(order.module, path, tree_of(path.read_text(), mutant, texts=order.texts))
    chosen = Chosen(tests)
    code = chosen.run()
    passed = code == pytest.ExitCode.OK
    if code == pytest.ExitCode.NO_TESTS_COLLECTED or (passed and order.module not in sys.modules):
        return _BROKEN, ""
    return (_SURVIVED if passed else _KILLED), chosen.failed


def _change_in(session: Session, path: Path) -> Trial:
    """Return how to run tests with a function changed, in what is collected already."""
    functions = functions_of(path)

    def trial(order: Order, mutant: Mutant, tests: list[str]) -> tuple[int, str]:
        tree = tree_of(path.read_text(), mutant, texts=order.texts)
        if not change(functions, path, tree):
            return _UNABLE, ""
        session.run(tests)
        return (_KILLED if session.failed else _SURVIVED), session.failed

    return trial


def _fork(trial: Trial, order: Order, mutant: Mutant, tests: list[str]) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = _KILLED
    try:
        _isolate()
        status, failed = trial(order, mutant, tests)
        os.write(writing, failed.encode()[:4000])
    except BaseException:  # noqa: BLE001 (a mutant may raise anything; none may go on as the parent)
        status = _KILLED
    finally:
        os._exit(status)


def _wait(pid: int, reading: int, seconds: float) -> tuple[str, str]:
    """Return how a child ended, and which test failed in it."""
    watched = os.pidfd_open(pid)
    try:
        ended = bool(select.select([watched], [], [], seconds)[0])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        failed = os.read(reading, 4096).decode(errors="replace")
    finally:
        os.close(watched)
        os.close(reading)
    if not ended:
        return "timeout", ""
    return _ENDS.get(os.waitstatus_to_exitcode(status), "killed"), failed


def _try(trial: Trial, order: Order, mutant: Mutant) -> Outcome:
    started = time.monotonic()
    tests = _tests_for(mutant, order)
    killer = order.killers.get(mutant.key, "")
    if killer in tests:
        tests = [killer, *(test for test in tests if test != killer)]
    outcome, failed = "survived", ""
    if tests:
        usual = sum(order.baseline.seconds.get(test, 0.0) for test in tests)
        child = _fork(trial, order, mutant, tests)
        outcome, failed = _wait(*child, _PATIENCE + _FACTOR * usual)
    return Outcome(
        mutant.key,
        mutant.lines[0],
        mutant.text,
        mutant.before,
        mutant.after,
        outcome,
        failed,
        round(time.monotonic() - started, 2),
        len(tests),
    )


def _in_session(order: Order, mutants: list[Mutant], answer: Callable[[Outcome], None]) -> None:
    """Try all that can be tried in one run of pytest, in a process of its own."""

    def then(session: Session) -> None:
        trial = _change_in(session, Path(order.path).resolve())
        for mutant in mutants:
            answer(_try(trial, order, mutant))

    files = {test.partition("::")[0] for mutant in mutants for test in _tests_for(mutant, order)}
    if files:
        Session(then).start(sorted(files))


def _stream(order: Order, mutants: list[Mutant]) -> Iterator[Outcome]:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as lines:
            _in_session(order, mutants, lambda one: print(json.dumps(one.__dict__), file=lines))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        yield from (Outcome(**json.loads(line)) for line in lines)
    os.waitpid(pid, 0)


def outcomes(order: Order) -> Iterator[Outcome]:
    """Try all mutants of a module, or those that are asked for."""
    _prepare(order)
    source = Path(order.path).read_text()
    mutants = [
        mutant
        for number, mutant in enumerate(mutants_of(source, texts=order.texts))
        if number % order.shares == order.share and (not order.only or mutant.key in order.only)
    ]
    left = {(mutant.site, mutant.variant): mutant for mutant in mutants}
    functions = [mutant for mutant in mutants if _is_called(mutant, order)]
    for mutant, outcome in zip(functions, _stream(order, functions), strict=False):
        if outcome.outcome != "unable":
            del left[mutant.site, mutant.variant]
            yield outcome
    for mutant in left.values():
        yield _try(_import_changed, order, mutant)


def main() -> int:
    fields = json.load(sys.stdin)
    order = Order(**{**fields, "baseline": Baseline(**fields["baseline"])})
    register_profile()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for outcome in outcomes(order):
        answers.write(json.dumps(outcome.__dict__) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
