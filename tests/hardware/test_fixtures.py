"""A transcript becomes files, which the driver's readers read."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import InvalidRequest
from libs.mockrds.faults import Action
from libs.mockrds.render import Console
from libs.rdsclient.errors import PermissionRefused
from tests.hardware.fixtures import (
    Fixture,
    compare,
    fixtures_of,
    load,
    main,
    save,
    shapes,
    simulated_shapes,
)
from tests.hardware.rig import Rig


async def transcript(rig: Rig, *only: str) -> dict[str, Any]:
    """Return what was said, after it has been a file."""
    report = await rig.run(*only)
    said: dict[str, Any] = json.loads(json.dumps(rig.tape.document(report.device)))
    return said


@pytest.mark.parametrize(
    "style", [Console(0), Console(60, fold_inside=True)], ids=["wide", "narrow"]
)
async def test_every_recorded_listing_is_read_as_it_was(
    rig: Rig, tmp_path: Path, style: Console
) -> None:
    rig.device.mock.style = style
    said = await transcript(rig, "text-form", "grow", "allow-host-list", "btrfs-clone")

    save(fixtures_of(said), tmp_path)
    fixtures = load(tmp_path)

    assert {fixture.name.rpartition("-")[0] for fixture in fixtures} == {
        "text-form",
        "grow",
        "allow-host-list",
        "btrfs-clone",
        "sweep",
    }
    assert [one.name for one in fixtures if len(one.items()) != one.listings] == []
    assert {fixture.json for fixture in fixtures} == {True, False}
    assert {fixture.release for fixture in fixtures} == {"7.24.4 (stable)"}
    assert any("file-size" in item for one in fixtures for part in one.items() for item in part)


async def test_a_file_is_what_the_device_printed_byte_by_byte(rig: Rig, tmp_path: Path) -> None:
    said = await transcript(rig, "json-form")

    save(fixtures_of(said), tmp_path)

    answer = next(one["answer"] for one in said["exchanges"] if one["question"] == "json-form")
    assert (tmp_path / "json-form-1.txt").read_bytes() == answer.encode()
    assert answer.endswith("\r\n")


async def test_a_recorded_refusal_is_the_error_that_it_was(rig: Rig) -> None:
    rig.fail(Action.ERROR, "/disk/add", "failure: not enough permissions (9)")
    said = await transcript(rig, "disk-add")

    first = next(one for one in fixtures_of(said) if one.name.startswith("disk-add"))

    with pytest.raises(PermissionRefused):
        first.items()


async def test_an_answer_that_never_came_is_no_fixture(rig: Rig) -> None:
    rig.fail(Action.DROP_BEFORE, "/disk/add")
    said = await transcript(rig, "disk-add")

    fixtures = fixtures_of(said)

    lost = [one["line"] for one in said["exchanges"] if one["failure"]]
    assert lost
    assert [one.name for one in fixtures if one.line in lost] == []


async def test_the_simulator_has_the_properties_that_it_shows_itself(rig: Rig) -> None:
    said = await transcript(rig, "disk-add", "btrfs-subvolume")

    assert list(compare(shapes(fixtures_of(said)), simulated_shapes())) == []


def test_a_property_that_the_simulator_lacks_is_told() -> None:
    line = ":put [:serialize to=json [/file/print detail as-value where a=1]]"
    answer = '[{".id": "*1", "name": "a", "type": "file", "last-modified": "2026-11-25"}]'

    told = list(compare(shapes([Fixture("a", line, answer, 1, json=True)]), simulated_shapes()))

    assert told == [
        "/file: the simulator lacks last-modified",
        "/file: only the simulator has size",
    ]


def test_another_form_of_transcript_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        fixtures_of({"form": 99, "exchanges": []})


async def test_the_program_writes_a_directory(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, directory = tmp_path / "t.json", tmp_path / "fixtures"
    path.write_text(json.dumps(await transcript(rig, "json-form")))

    status = main([str(path), str(directory)])

    assert (status, main([str(tmp_path / "none"), str(directory)])) == (0, 2)
    assert "answers are in" in capsys.readouterr().out
    assert len(load(directory)) == len(list(directory.glob("*.txt"))) > 0
