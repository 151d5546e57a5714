"""The host's identity: kept for ever once it is there, and never guessed over."""

import asyncio
import re
import stat
import uuid
from pathlib import Path

import pytest

from libs.nvmeof.errors import HostUnable
from libs.nvmeof.hostid import UUID_NQN, ensure_identity

UUID = "0123abcd-1111-4111-8111-111111111111"


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_a_new_host_gets_an_identity_that_stays(tmp_path: Path) -> None:
    directory = tmp_path / "etc" / "nvme"

    first = await ensure_identity(directory)
    second = await ensure_identity(directory)

    assert first == second
    assert first.nqn.text == f"{UUID_NQN}{first.id}"
    assert uuid.UUID(first.id).version == 4
    assert (directory / "hostnqn").read_text() == first.nqn.text + "\n"
    assert (directory / "hostid").read_text() == first.id + "\n"


async def test_two_new_hosts_are_not_one(tmp_path: Path) -> None:
    assert await ensure_identity(tmp_path / "a") != await ensure_identity(tmp_path / "b")


async def test_what_is_made_can_be_read_by_all_and_leaves_nothing_behind(tmp_path: Path) -> None:
    await ensure_identity(tmp_path)

    assert modes(tmp_path) == {"hostnqn": 0o644, "hostid": 0o644}


async def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    identities = await asyncio.gather(*(ensure_identity(tmp_path) for _ in range(8)))

    # One that began while only the NQN was there has completed it as the others did.
    assert len(set(identities)) == 1


async def test_an_id_is_taken_from_an_nqn_that_has_one(tmp_path: Path) -> None:
    (tmp_path / "hostnqn").write_text(UUID_NQN + UUID + "\n")

    identity = await ensure_identity(tmp_path)

    assert identity.id == UUID
    assert (tmp_path / "hostid").read_text() == UUID + "\n"


async def test_an_nqn_is_made_from_an_id_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "hostid").write_text(UUID.upper())

    identity = await ensure_identity(tmp_path)

    assert (identity.nqn.text, identity.id) == (UUID_NQN + UUID, UUID)


async def test_an_nqn_of_another_kind_gets_an_id_that_is_always_the_same(tmp_path: Path) -> None:
    nqn = "nqn.2020-01.com.example:host-7"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hostnqn").write_text(nqn)

    first, second = [await ensure_identity(tmp_path / name) for name in ("a", "b")]

    assert first == second
    assert first.nqn.text == nqn


async def test_two_files_that_differ_are_left_as_they_are(tmp_path: Path) -> None:
    other = "99999999-1111-4111-8111-111111111111"
    (tmp_path / "hostnqn").write_text(UUID_NQN + UUID)
    (tmp_path / "hostid").write_text(other)

    identity = await ensure_identity(tmp_path)

    assert (identity.nqn.text, identity.id) == (UUID_NQN + UUID, other)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hostnqn", ""),
        ("hostnqn", "\n"),
        ("hostnqn", "host-7"),
        ("hostnqn", "nqn.2014-08.org.nvmexpress:uuid:a,discovery"),
        ("hostnqn", "nqn.2020-01.com.example:a\nnqn.2020-01.com.example:b"),
        ("hostnqn", "nqn.2020-01.com.example:" + "a" * 300),
        ("hostnqn", "nqn.2020-01.com.example:ä"),
        ("hostid", ""),
        ("hostid", "7"),
        ("hostid", "00000000-0000-0000-0000-000000000000"),
        ("hostid", f"{{{UUID}}}"),
    ],
)
async def test_what_makes_no_sense_is_named_and_never_replaced(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(HostUnable, match=re.escape(f"{path} must hold one")):
        await ensure_identity(tmp_path)

    assert list(modes(tmp_path)) == [name]
    assert path.read_text() == text


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(HostUnable, match="cannot be kept"):
        await ensure_identity(blocked / "nvme")
