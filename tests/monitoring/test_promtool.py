"""Prometheus' own tool agrees: syntax, and when each alert fires."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.monitoring.expressions import expressions, filled_in
from tests.monitoring.generate import RULES
from tests.monitoring.test_files import TESTS

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("RDS_CSI_REQUIRE_PROMTOOL") != "1",
    reason="needs promtool (on Debian: apt-get install --no-install-recommends prometheus)",
)


async def promtool(*arguments: str) -> tuple[int, str]:
    assert PROMTOOL is not None, "promtool is missing, and RDS_CSI_REQUIRE_PROMTOOL=1"
    process = await asyncio.create_subprocess_exec(
        *(PROMTOOL, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(50):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


async def test_the_rule_file_is_one() -> None:
    code, output = await promtool("check", "rules", str(RULES))

    assert code == 0, output
    assert "SUCCESS" in output


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.partition(".")[0])
async def test_alerts_fire_when_they_should_and_say_what_they_should(path: Path) -> None:
    code, output = await promtool("test", "rules", str(path))

    assert code == 0, output


async def test_an_alert_that_does_not_say_what_it_should_is_noticed(tmp_path: Path) -> None:
    text = TESTS[0].read_text().replace("../../..", str(RULES.parents[3]))
    wrong = tmp_path / "wrong.test.yaml"
    wrong.write_text(text.replace("severity: critical", "severity: nothing"))

    code, output = await promtool("test", "rules", str(wrong))

    assert code == 1
    assert "nothing" in output


async def test_every_expression_of_the_dashboards_is_promql(tmp_path: Path) -> None:
    names = {f"test:{number}": expr for number, (_, expr) in enumerate(expressions())}
    recorded = [{"record": name, "expr": filled_in(expr)} for name, expr in names.items()]
    path = tmp_path / "dashboards.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": recorded}]}))

    code, output = await promtool("check", "rules", str(path))

    assert code == 0, output
    assert f"{len(names)} rules found" in output
