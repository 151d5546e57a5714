"""The metrics that the code registers, read from the code: their names, labels and kinds."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.ops.metrics import NAMESPACE
from services.controller.adapters.device_samples import KINDS

ROOT = Path(__file__).parents[2]

_ADDERS = {"counter", "gauge", "histogram", "read_counter", "read_gauge", "show_state"}
"""The methods of `Metrics` that add a metric, and what adds a gauge without labels in one."""
_LABELS_AT = 2
"""Which argument has the labels."""


@dataclass(frozen=True)
class Registered:
    """A metric: the method that adds it, and its labels."""

    kind: str
    labels: frozenset[str]


def registered() -> Mapping[str, Registered]:
    """Return the metrics by name, histograms by the names of their three series."""
    found: dict[str, Registered] = {}
    for path in sorted(ROOT.glob("libs/**/*.py")) + sorted(ROOT.glob("services/**/*.py")):
        for name, metric in _in_module(path):
            found |= _series(name, metric)
    for name, kind in KINDS.items():  # these are added in a loop
        add = "read_counter" if kind.is_counter else "read_gauge"
        found[name] = Registered(add, frozenset({"device", *kind.labels}))
    return found


def _in_module(path: Path) -> Iterator[tuple[str, Registered]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        name = node.args[0]
        if (
            node.func.attr in _ADDERS
            and isinstance(name, ast.Constant)
            and isinstance(name.value, str)
        ):
            yield _namespace(node) + name.value, Registered(node.func.attr, _labels(node))


def _namespace(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "namespace":
            return str(ast.literal_eval(keyword.value))
    return NAMESPACE


def _labels(call: ast.Call) -> frozenset[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "labels"]
    if not given and len(call.args) > _LABELS_AT and isinstance(call.args[_LABELS_AT], ast.Tuple):
        given = [call.args[_LABELS_AT]]
    return frozenset(ast.literal_eval(given[0])) if given else frozenset()


def _series(name: str, metric: Registered) -> dict[str, Registered]:
    if metric.kind != "histogram":
        return {name: metric}
    bucket = Registered(metric.kind, metric.labels | {"le"})
    return {f"{name}_bucket": bucket, f"{name}_sum": metric, f"{name}_count": metric}
