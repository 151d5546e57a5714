"""What reads input from outside takes some hundred inputs each; `./dev fuzz` takes millions."""

import ast
from pathlib import Path

import pytest

from libs.nvmeof.mountinfo import MountTable
from libs.rdsclient.commands import Command
from libs.rdsclient.replies import parse_disks
from services.controller.requests.parameters import KNOWN_KEYS
from services.reconciler.memory import parse_memory
from tests.fuzz import cluster, device, host
from tests.fuzz.draw import Draw
from tests.fuzz.engine import Failed, Target, fuzz, try_one
from tests.fuzz.sound import sound_requests
from tests.fuzz.targets import TARGETS
from tests.fuzz.words import PARAMETER_KEYS, SECRET
from tests.unit.controller.values import NAME

ROOT = Path(__file__).parents[2]
READERS = (
    "libs/rdsclient/replies.py",
    "libs/rdsclient/facts.py",
    "libs/rdsclient/health.py",
    "libs/rdshealth/tables.py",
    "libs/nvmeof/mountinfo.py",
    "libs/nvmeof/mountopts.py",
    "libs/nvmeof/superblock.py",
    "libs/nvmeof/sysfs.py",
    "libs/nvmeof/usage_parse.py",
    "libs/nvmeof/fsplan.py",
    "libs/nvmeof/fabrics_options.py",
    "libs/kube/answers.py",
    "services/controller/admin_requests.py",
    "services/controller/requests/parameters.py",
    "services/controller/requests/snapshots.py",
    "services/controller/requests/volumes.py",
    "services/node/requests.py",
    "services/reconciler/memory.py",
    "services/reconciler/servicer_requests.py",
)
INSIDE_OTHERS = {
    "parse_options": "parse_stage",
    "parse_controller": "parse_subsystem",
    "parse_address": "parse_subsystem",
    "parse_device": "parse_orphan",
    "parse_changes": "parse_create",
    "parse_migration_timeout": "parse_parameters",
    "parse_password": "parse_create",
    "parse_range": "parse_create",
    "parse_path": "parse_stage",
}
"""Readers that a target calls through another one."""
ELSEWHERE = {
    "parse_orphan_key": "of keys that the reconciler has made itself",
    "parse_until": "of a moment; the storm of the RPCs has it",
    "parse_limit": "of a length of time; the storm of the RPCs has it",
}


def public_readers() -> set[str]:
    return {
        node.name
        for path in READERS
        for node in ast.parse((ROOT / path).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("parse_")
    }


@pytest.mark.parametrize("name", TARGETS)
def test_bad_input_is_refused_in_a_way_that_is_foreseen(name: str) -> None:
    count = fuzz(TARGETS[name], seed=1, most=200)

    assert count == 200


def test_every_reader_of_outside_input_is_a_target() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("[a-s]*.py"))

    missing = {name for name in public_readers() - ELSEWHERE.keys() if name not in text}

    assert missing == INSIDE_OTHERS.keys()
    assert all(caller in text for caller in INSIDE_OTHERS.values())


def test_what_the_inputs_begin_with_is_understood() -> None:
    listing = device.TARGETS["device-disks"].seeds[0][1:].decode()
    memory = cluster.TARGETS["kube-memory"].seeds[0].decode()

    (disk,) = parse_disks(listing, Command("", listings=1))
    remembered = parse_memory(memory)
    table = MountTable.parse(host.MOUNTS.decode())

    assert disk.slot == NAME
    assert len(remembered.decisions) == 1
    assert len(table.mounts) == 2


def test_the_documentation_says_how_many_readers_there_are() -> None:
    assert f"{len(TARGETS)} readers" in (ROOT / "docs" / "security.md").read_text()


def test_the_words_have_every_parameter() -> None:
    assert set(PARAMETER_KEYS) == set(KNOWN_KEYS)


def test_an_input_that_breaks_its_reader_is_found_and_kept() -> None:
    def reader(data: bytes) -> None:
        assert b"\xff\x00" not in data

    target = Target(reader, (b"\xff" * 10, bytes(10)))

    with pytest.raises(Failed) as failed:
        fuzz(target, seed=1, most=20_000)

    with pytest.raises(Failed):
        try_one(target, failed.value.data)


def test_the_same_bytes_make_the_same_message() -> None:
    data = bytes(range(256)) * 3
    kinds = list(sound_requests("/k"))

    twice = [[bytes(Draw(data).message(kind)) for kind in kinds] for _ in range(2)]

    assert twice[0] == twice[1]
    assert any(twice[0])


def test_a_secret_is_drawn_where_secrets_are() -> None:
    kind = next(kind for kind in sound_requests("/k") if kind.__name__ == "CreateVolumeRequest")
    drawn = [Draw(bytes([n, n * 7 % 256, n * 13 % 256] * 150)).message(kind) for n in range(256)]

    with_secret = [message for message in drawn if SECRET in message.secrets.values()]

    assert with_secret
