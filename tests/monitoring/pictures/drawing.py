"""A dashboard's JSON and Prometheus' answers, drawn by a browser."""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.monitoring.dashboards.panels import Json
from tests.monitoring.pictures.prometheus import Prometheus, step_of

PAGE = Path(__file__).with_name("page")
UPLOT = "uplot@1.6.32"
WIDTH = 1400
_ROW = 32
"""Pixels of a row of the grid."""
_LIMIT = 120.0


async def fetch_uplot(path: Path) -> Path:
    """Install the library that draws graphs (Grafana's own choice); return its directory."""
    await _run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(path), UPLOT)
    return path / "node_modules" / "uplot" / "dist"


async def draw(page: str, height: int, path: Path, picture: Path) -> None:
    """Have a browser take a picture of a page."""
    file = path / f"{picture.stem}.html"
    file.write_text(page)
    await _run(
        "chromium",
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        f"--user-data-dir={path / 'chromium'}",
        f"--window-size={WIDTH},{height}",
        "--virtual-time-budget=5000",
        f"--screenshot={picture}",
        file.as_uri(),
    )
    await _run("pngquant", "--force", "--strip", "--output", str(picture), "64", str(picture))


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_LIMIT):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise AssertionError(f"{command[0]}: {errors.decode(errors='replace')[-2000:]}")


async def read_board(
    dashboard: Json, prometheus: Prometheus, begin: float, end: float, choice: Mapping[str, str]
) -> Json:
    """Return a dashboard with what Prometheus answers to it.

    Args:
        dashboard: as Grafana imports it.
        prometheus: is asked.
        begin: of the graphs.
        end: of the graphs; tables and single values are of then.
        choice: what the reader has chosen; of other variables the first value is taken.
    """
    chosen: dict[str, str] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        definition = _filled(variable["definition"], chosen)
        values = await prometheus.label_values(definition, variable["regex"])
        wanted = choice.get(variable["name"], values[0] if values else "")
        if wanted not in values:
            raise AssertionError(f"${variable['name']} cannot be {wanted!r}, only {values}")
        chosen[variable["name"]] = wanted
    shown = {v["label"]: chosen[v["name"]] for v in dashboard["templating"]["list"] if _seen(v)}
    panels = []
    for panel in dashboard["panels"]:
        series: list[Json] = []
        for target in panel.get("targets", ()):
            expr = _filled(target["expr"], chosen)
            if target["range"]:
                found = await prometheus.graph(expr, begin, end)
            else:
                found = await prometheus.now(expr, end)
            series += _named(found, target["legendFormat"])
        panels.append({**panel, "series": series})
    return {
        "title": dashboard["title"],
        "chosen": shown,
        "panels": panels,
        "range": [begin, end],
        "step": step_of(begin, end),
    }


def _seen(variable: Json) -> bool:
    return variable["type"] == "query" and not variable["hide"]


def _filled(text: str, chosen: Mapping[str, str]) -> str:
    for name, value in chosen.items():
        text = re.sub(rf"\${name}\b", value, text)
    return text


def _named(found: Iterable[Json], legend: str) -> list[Json]:
    def name(labels: Mapping[str, str]) -> str:
        if legend == "__auto":
            return ", ".join(value for label, value in labels.items() if label != "__name__")
        return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)

    return [
        {
            "name": name(one["metric"]),
            "labels": one["metric"],
            "values": one.get("values") or [one["value"]],
        }
        for one in found
    ]


def compose(board: Json, uplot: Path) -> tuple[str, int]:
    """Return a page with everything in it, and its height."""
    bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    parts: dict[str, Any] = {
        "UPLOT_CSS": (uplot / "uPlot.min.css").read_text(),
        "UPLOT_JS": (uplot / "uPlot.iife.min.js").read_text(),
        "STYLE": (PAGE / "page.css").read_text(),
        "SCRIPT": (PAGE / "page.js").read_text(),
        "BOARD": json.dumps(board).replace("</", "<\\/"),
    }
    page = (PAGE / "page.html").read_text()
    page = re.sub(r"%(\w+)%", lambda match: parts[match[1]], page)
    return page, bottom * _ROW + 70
