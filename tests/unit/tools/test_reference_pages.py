"""The pages that are made from the code are current, and leave nothing out."""

import inspect
from pathlib import Path

import pytest

from libs.csikit.status import CODES
from libs.rdsclient import commands, health, images
from libs.rdsclient.commands import Command
from services.controller.requests.parameters import KNOWN_KEYS
from tests.monitoring.registered import registered
from tools import errors_reference, events_reference, metrics_reference, storageclass_reference
from tools.reference_pages import DOCS, PAGES
from tools.routeros_reference import SHOWN

HELPERS = {"ask", "on_slot"}
"""What makes lines of what others ask for."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_page_in_the_tree_is_what_the_code_says(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "run ./dev docs"


def test_every_family_of_errors_has_something_to_do() -> None:
    assert set(errors_reference.WHAT_TO_DO) == set(CODES)


def test_every_event_has_a_meaning_and_every_meaning_an_event() -> None:
    there = set(events_reference.found())
    failed = {name for name in there - set(events_reference.MEANINGS) if name.endswith("Failed")}

    assert there - failed == set(events_reference.MEANINGS)
    assert {name.removesuffix("Failed") for name in failed} <= there


def test_every_key_of_a_class_has_a_row() -> None:
    assert set(storageclass_reference.MEANINGS) == set(KNOWN_KEYS)


def test_every_metric_that_is_registered_has_a_row() -> None:
    page = metrics_reference.render()
    names = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name, metric in registered().items()
        if metric.kind == "histogram"
    }
    names |= {name for name, metric in registered().items() if metric.kind != "histogram"}

    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}

    assert rows == names


def test_every_command_of_the_device_is_shown() -> None:
    made = {
        name
        for module in (commands, images, health)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if inspect.signature(function).return_annotation is Command and not name.startswith("_")
    }

    shown = {one.make.__name__ for group in SHOWN.values() for one in group}

    assert shown == made - HELPERS
