"""The page for people says all of it, and nothing else."""

import re
from pathlib import Path

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.completion import list_commands
from rdsctl.connection import resolve
from rdsctl.exits import Exit
from rdsctl.jsonform import fields_of
from rdsctl.parser import build_parser
from rdsctl.settings import PREFIX, SETTINGS
from tests.component.rdsctl.fake import LOST, VOLUME
from tests.component.rdsctl.rig import Rig

PAGE = (Path(__file__).parents[3] / "docs" / "rdsctl.md").read_text()

KEYS = [
    (("status",), {*fields_of(api.GetStatusResponse()), "problems"}),
    (("findings",), {"findings", "as_of"}),
    (("volume", VOLUME), {*fields_of(api.ExplainVolumeResponse()), "good"}),
    (("attachments",), {"attachments", "whole", "unknown"}),
    (("orphans",), {"orphans", "whole", "unknown"}),
    (("orphans", "approve", LOST, "--yes"), {"orphan"}),
    (("orphans", "ignore", LOST), {"orphan"}),
    (("orphans", "withdraw", LOST), {"withdrawn"}),
    (("reconcile", "--yes"), {"pass", "actions", "actions_total"}),
    (("pause", "--reason", "x", "--yes"), {"paused"}),
    (("resume",), {"was_paused"}),
    (("version",), {"version"}),
]


def test_every_command_and_flag_is_documented() -> None:
    commands = list(list_commands(build_parser()))
    flags = {name for c in commands for o in c.options for name in o.names} - {"-h", "--help"}
    paths = {f"rdsctl {' '.join(c.path)}".strip() for c in commands}

    assert {flag for flag in flags if not re.search(rf"`{flag}\b", PAGE)} == set()
    assert {path for path in paths if path not in PAGE} == {"rdsctl orphans list"}


def test_every_setting_is_documented_as_flag_variable_and_key() -> None:
    for name in SETTINGS:
        key = name.replace("_", "-")
        assert f"`--{key}` | `{PREFIX}{name.upper()}` | `{key}`" in PAGE


def test_every_exit_code_is_documented() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("Like `git diff`")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    documented = {int(number) for row in rows for number in row.split(",")}

    assert documented == {code.value for code in Exit}


@pytest.mark.parametrize(("argv", "keys"), KEYS)
async def test_documents_have_the_keys_that_are_documented(
    rig: Rig, argv: tuple[str, ...], keys: set[str]
) -> None:
    ended = await rig.rdsctl(*argv, "-o", "json")

    assert set(ended.json) == keys
    assert ended.code == 0


async def test_the_configuration_file_on_the_page_is_a_good_one(tmp_path: Path) -> None:
    match = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    file = tmp_path / "config.toml"
    file.write_text(match[1])

    prod = resolve(build_parser().parse_args(["--config", str(file), "status"]), {})
    lab = resolve(build_parser().parse_args(["status", "--config", str(file), "--context=lab"]), {})

    assert prod.tls is not None
    assert prod.tls.certificate == tmp_path / "prod.crt"
    assert lab.shown == "unix:///run/rds-csi/reconciler.sock"
