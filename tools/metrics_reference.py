"""docs/reference/metrics.md: every metric that the code registers, with its kind, labels and help.

Read from the source, so that it needs no device, no cluster and no node.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.ops.metrics import NAMESPACE
from services.controller.adapters.device_samples import KINDS

ROOT = Path(__file__).parents[1]

_ADDERS = {
    "counter": "counter",
    "read_counter": "counter",
    "gauge": "gauge",
    "read_gauge": "gauge",
    "show_state": "gauge",
    "histogram": "histogram",
}
"""The methods that add a metric, and what kind that is."""

_LABELS_AT = 2

_PARTS = (
    ("libs/", "Every service"),
    ("services/controller/", "Controller"),
    ("services/node/", "Node"),
    ("services/reconciler/", "Reconciler"),
)
_DEVICE = "Health of devices (controller)"

_HEAD = """# All metrics

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

Names, kinds and labels, as the code registers them. What they mean for the person who looks at
them, and what to alert on, is in [Metrics](../metrics.md), in
[the reconciler's](../reconciler.md#metrics), and in the [runbooks](../runbooks.md). A histogram has
the series `_bucket`, `_sum` and `_count`.
"""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is registered."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def render() -> str:
    """Return the page."""
    lines = [_HEAD]
    for folder, title in _PARTS:
        lines += _table(title, sorted(_below(ROOT / folder), key=lambda metric: metric.name))
    lines += _table(_DEVICE, sorted(_of_devices(), key=lambda metric: metric.name))
    return "\n".join(lines) + "\n"


def _table(title: str, metrics: Sequence[Metric]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| metric | kind | labels | what it says |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        text = metric.text.rstrip(".").replace("|", "\\|")
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {text} |"
    yield ""


def _of_devices() -> Iterator[Metric]:
    for name, kind in KINDS.items():  # these are registered in a loop
        counted = "counter" if kind.is_counter else "gauge"
        yield Metric(name, counted, ("device", *kind.labels), kind.text)


def _below(folder: Path) -> Iterator[Metric]:
    for path in sorted(folder.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {
            target.id: _literal(node.value)
            for node in nodes
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in nodes:
            if isinstance(node, ast.Call):
                yield from _registered(node, names)


def _registered(call: ast.Call, names: Mapping[str, Any]) -> Iterator[Metric]:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in _ADDERS):
        return
    texts = [
        names.get(argument.id) if isinstance(argument, ast.Name) else _literal(argument)
        for argument in call.args[:2]
    ]
    if len(texts) < len(("name", "text")) or not all(isinstance(text, str) for text in texts):
        return
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    labels: Any = ()
    if "labels" in named:
        labels = _literal(named["labels"])
    elif len(call.args) > _LABELS_AT:
        labels = _literal(call.args[_LABELS_AT])
    namespace = _literal(named["namespace"]) if "namespace" in named else NAMESPACE
    yield Metric(
        f"{namespace}{texts[0]}", _ADDERS[call.func.attr], tuple(labels or ()), str(texts[1])
    )


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 (whatever is written there)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
