"""Every expression of the rules and the dashboards, as they are committed."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.monitoring.generate import FOLDER, RULES

_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.*), (?P<label>\w+)\)")


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where each expression is, and the expression."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for path in sorted(FOLDER.glob("dashboards/*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']}", target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem}: ${variable['name']}", _of_variable(variable["definition"])


def _of_variable(definition: str) -> str:
    """Return an expression that uses what `label_values` uses."""
    match = _LABEL_VALUES.fullmatch(definition)
    if match:
        return f"sum by ({match['label']}) ({match['selector']})"
    return definition


def filled_in(expr: str) -> str:
    """Return an expression with a value for each of Grafana's variables."""
    return re.sub(r"\$\w+", "x", expr.replace("$__rate_interval", "1m"))
