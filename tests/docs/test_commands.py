"""What pages tell people to type exists, and what they tell them to apply is accepted."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.core.paths import DevicePath
from libs.ops.settings import flag, variable
from rdsctl.completion import list_commands
from rdsctl.parser import build_parser
from services.controller.config import ControllerSettings
from services.controller.requests.parameters import parse_changes, parse_parameters
from services.node.config import NodeSettings
from services.reconciler.config import ReconcilerSettings
from tests.docs.pages import PAGES, ROOT, fences, name_of, prose, shell_lines
from tests.k8s.render import check_schemas, need_tools

SETTINGS = (ControllerSettings, NodeSettings, ReconcilerSettings)
NAMES = {name for kind in SETTINGS for name in kind.__dataclass_fields__}
CONTROLLER = ControllerSettings(
    rds_address="192.0.2.10",
    rds_key_file=Path("/key"),
    rds_check_host_key=False,
    nvme_address="198.51.100.10",
    volume_base_paths=tuple(map(DevicePath.parse, ("/raid10/volumes", "/btr/volumes"))),
    fencing=True,
)
OF_TESTS = re.compile(
    r"RDS_CSI_(REQUIRE_\w+|KUBE_RIG|TAG|SUBNET|DEVICE_ADDRESS|KUBERNETES_ADDRESS|\w+_METRICS|"
    r"\w+_PORT|BUILD_NETWORK|CONFIG_FILE)"
)
"""Variables of tests and of docker-compose.yml, which are no settings of a service."""


def objects() -> list[tuple[str, dict[str, Any]]]:
    """Return what is to be applied to a cluster, by page."""
    return [
        (name_of(page), item)
        for page in PAGES
        for fence in fences(page)
        if fence.language == "yaml"
        for item in yaml.safe_load_all(fence.text)
        if "kind" in item and "apiVersion" in item
    ]


def commands_of(line: str) -> list[list[str]]:
    """Return the commands of a line, without what they are redirected to."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;<>"):
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_task_that_is_named_exists(page: Path) -> None:
    tasks = set(re.findall(r"^([a-z][a-z0-9-]*)\)$", (ROOT / "dev").read_text(), re.MULTILINE)) | {
        "help"
    }

    named = set(re.findall(r"(?:\./dev|`make) ([a-z][a-z0-9-]*)", page.read_text()))

    assert named <= tasks


def test_every_task_can_be_made_with_make_and_is_in_the_help() -> None:
    text = (ROOT / "dev").read_text()
    tasks = set(re.findall(r"^([a-z][a-z0-9-]*)\)$", text, re.MULTILINE))

    made = set(
        re.findall(r"^TASKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    )

    assert tasks - {"run"} == made
    assert {task for task in tasks if not re.search(rf"^  {task}\b", text, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_rdsctl_is_one_that_it_takes(page: Path) -> None:
    lines = [line for line in shell_lines(page) if line.startswith("rdsctl ")]

    for command in (command for line in lines for command in commands_of(line)):
        if command[:1] == ["rdsctl"]:
            build_parser().parse_args(command[1:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_in_a_table_has_a_pipe(page: Path) -> None:
    rows = [line for line in prose(page).splitlines() if line.lstrip().startswith("|")]

    code = [span for row in rows for span in re.findall(r"`[^`]*`", row)]

    # It would end the cell, and written as \| it does not work where it is pasted.
    assert [span for span in code if "|" in span] == []


def test_a_function_of_the_shell_is_the_same_on_every_page() -> None:
    found: dict[str, set[str]] = {}
    for line in (line for page in PAGES for line in shell_lines(page)):
        if function := re.match(r"(\w+)\(\) \{ ", line):
            found.setdefault(function[1], set()).add(line)

    assert {name for name, texts in found.items() if len(texts) > 1} == set()
    assert {"logs", "on_node"} <= found.keys()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_is_a_setting(page: Path) -> None:
    known = {variable(name) for name in NAMES}

    named = set(re.findall(r"RDS_CSI_[A-Z_]*[A-Z]", page.read_text()))

    assert {name for name in named - known if not OF_TESTS.fullmatch(name)} == set()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name in {"how-to", "tutorial", "explanation"}]
    + [ROOT / "docs" / f"{name}.md" for name in ("limitations", "capacity", "outage")],
    ids=name_of,
)
def test_every_flag_of_a_guide_is_one_of_ours_or_of_a_known_tool(page: Path) -> None:
    ours = {flag(name) for name in NAMES}
    ours |= {name for c in list_commands(build_parser()) for o in c.options for name in o.names}
    text = re.sub(r"(?m)^ *(kubectl|docker|ssh\S*|--from|\./dev).*$", "", page.read_text())
    text = re.sub(r"`(\./dev|nvme|kubectl) [^`]*`", "", text)

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))

    assert named - ours - {"--help", "--getsize64"} == set()


def test_every_class_that_is_shown_is_accepted_by_the_controller() -> None:
    classes = [(page, item) for page, item in objects() if item["kind"] == "StorageClass"]

    for page, item in classes:
        given = {key: value for key, value in item["parameters"].items() if key != "rds"}
        assert item["provisioner"] == CONTROLLER.driver_name, page
        parse_parameters(given, CONTROLLER)
    changing = [item for _, item in objects() if item["kind"] == "VolumeAttributesClass"]
    for item in changing:
        parse_changes(item["parameters"], CONTROLLER)
    assert len(classes) >= 4


def test_everything_that_is_shown_to_be_applied_is_complete() -> None:
    assert [page for page, item in objects() if not item.get("metadata", {}).get("name")] == []
    assert {item["kind"] for _, item in objects()} >= {
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "StorageClass",
        "VolumeSnapshot",
    }


def test_everything_that_is_shown_to_be_applied_fits_the_schemas() -> None:
    need_tools()
    text = yaml.safe_dump_all(item for _, item in objects())

    problems = check_schemas(text, "1.35")

    assert [problem for problem in problems if problem[2]] == []
