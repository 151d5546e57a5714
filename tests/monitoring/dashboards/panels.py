"""What dashboards are made of, as Grafana imports it (dashboard JSON, schema version 39)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

WIDTH = 24
"""Columns of Grafana's grid."""
GREEN, AMBER, RED, BLUE = "green", "orange", "red", "blue"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and the name of its series (`{{label}}` is filled in)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel; the grid is filled from left to right.

    Attributes:
        kind: timeseries, stat or table.
        title: a few words.
        about: a sentence: what it means, and what to do about it.
        queries: what it shows.
        unit: of the values, as Grafana names it.
        width: columns.
        height: rows of 30 pixels.
        steps: from which value on which colour; the first has no bound.
        words: what is shown in place of a value.
        stacked: whether series are piled up.
        most: the end of the axis, where there is one.
        columns: of a table, the labels that are shown, with their headings.
    """

    kind: str
    title: str
    about: str
    queries: Sequence[Query]
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: Sequence[tuple[str, float | None]] = ((BLUE, None),)
    words: Mapping[int, str] = field(default_factory=dict)
    stacked: bool = False
    most: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def render(self, number: int, x: int, y: int) -> Json:
        """Return it as Grafana wants it."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [self._target(i, query) for i, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            **({"transformations": self._columns()} if self.columns else {}),
        }

    def _target(self, number: int, query: Query) -> Json:
        return {
            "refId": chr(ord("A") + number),
            "datasource": _SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": self.kind != "timeseries",
            "range": self.kind == "timeseries",
            **({"format": "table"} if self.kind == "table" else {}),
        }

    def _defaults(self) -> Json:
        steps = [{"color": color, "value": value} for color, value in self.steps]
        values = {str(value): {"text": text} for value, text in self.words.items()}
        defaults: Json = {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": [{"type": "value", "options": values}] if values else [],
        }
        if self.kind == "timeseries":
            defaults["min"] = 0
            defaults["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 25 if self.stacked else 5,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none"},
            }
        if self.most is not None:
            defaults["max"] = self.most
        return defaults

    def _options(self) -> Json:
        if self.kind == "stat":
            return {
                "colorMode": "background" if len(self.steps) > 1 else "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"]},
                "textMode": "value_and_name" if len(self.queries) > 1 else "auto",
            }
        if self.kind == "table":
            return {"showHeader": True}
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        }

    def _columns(self) -> list[Json]:
        order = {label: place for place, label in enumerate(self.columns)}
        keep = {"include": {"names": list(self.columns)}}
        names = {"indexByName": order, "renameByName": dict(self.columns)}
        return [
            {"id": "filterFieldsByName", "options": keep},
            {"id": "organize", "options": names},
        ]


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """What the reader chooses, or, hidden, what follows from it.

    Attributes:
        name: as in `$name`.
        label: over the list.
        query: `label_values(SELECTOR, LABEL)`.
        hidden: whether it follows from the others.
        regex: the part of each value that counts, as Grafana writes it.
    """

    name: str
    label: str
    query: str
    hidden: bool = False
    regex: str = ""

    def render(self) -> Json:
        """Return it as Grafana wants it."""
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": _SOURCE,
            "query": {"query": self.query, "refId": self.name},
            "definition": self.query,
            "regex": self.regex,
            "refresh": 2,  # when the time range changes
            "sort": 1,
            "hide": 2 if self.hidden else 0,
            "multi": False,
            "includeAll": False,
        }


@dataclass(frozen=True)
class Dashboard:
    """One dashboard, for one audience."""

    uid: str
    title: str
    about: str
    sections: Sequence[Section]
    variables: Sequence[Variable] = ()

    def render(self) -> Json:
        """Return it as Grafana imports it."""
        source = {"type": "datasource", "name": "datasource", "label": "Prometheus"}
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["rds-csi"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": [
                {
                    "type": "dashboards",
                    "title": "RDS CSI",
                    "tags": ["rds-csi"],
                    "asDropdown": False,
                    "includeVars": False,
                    "keepTime": True,
                }
            ],
            "templating": {
                "list": [
                    {**source, "query": "prometheus", "refresh": 1, "hide": 0},
                    *(variable.render() for variable in self.variables),
                ]
            },
            "annotations": {"list": []},
            "panels": list(_placed(self.sections)),
        }


def _placed(sections: Iterable[Section]) -> Iterable[Json]:
    number, y = 1, 0
    for section in sections:
        grid = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": section.title,
            "gridPos": grid,
            "collapsed": False,
            "panels": [],
        }
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in section.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            yield panel.render(number, x, y)
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height
