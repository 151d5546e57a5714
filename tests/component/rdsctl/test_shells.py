"""The completion as shells run it; those that are not installed are skipped."""

import asyncio
import shutil
from pathlib import Path

import pytest

from rdsctl.completion import render
from rdsctl.parser import build_parser
from tests.waiting import PATIENCE

BASH = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_rdsctl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


async def run_shell(shell: str, *argv: str) -> tuple[int, list[str]]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    process = await asyncio.create_subprocess_exec(
        *(shell, *argv), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode().split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("rdsctl sta", {"status"}),
        ("rdsctl orphans app", {"approve"}),
        ("rdsctl -o js", {"json"}),
        ("rdsctl --endpoint status findings --st", {"--state"}),
        ("rdsctl findings --state for", {"for-people"}),
        ("rdsctl -o json orphans approve --ye", {"--yes"}),
        ("rdsctl orphans approve --kind vol", {"volume"}),
        ("rdsctl watch --kind vol", {"volume-missing"}),
        ("rdsctl completion f", {"fish"}),
        ("rdsctl --server-name ''", set()),
        ("rdsctl status --dry", set()),
    ],
)
async def test_bash_offers_what_may_follow(tmp_path: Path, typed: str, offered: set[str]) -> None:
    script = tmp_path / "rdsctl.bash"
    script.write_text(render(build_parser(), "bash"))

    code, words = await run_shell("bash", "-c", BASH.format(script=script, words=typed))

    assert (code == 0, set(words)) == (True, offered)


async def test_bash_offers_files_where_a_file_is_meant(tmp_path: Path) -> None:
    script = tmp_path / "rdsctl.bash"
    script.write_text(render(build_parser(), "bash"))

    words = f"rdsctl --tls-ca {tmp_path}/rds"
    _, offered = await run_shell("bash", "-c", BASH.format(script=script, words=words))

    assert offered == [str(script)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_shell_itself_finds_no_fault_with_its_script(tmp_path: Path, shell: str) -> None:
    script = tmp_path / f"rdsctl.{shell}"
    script.write_text(render(build_parser(), shell))

    code, said = await run_shell(shell, "-n", str(script))

    assert (code, said) == (0, [])
