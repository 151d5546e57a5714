"""Names are text of at most 128 bytes in which all but a few control characters are allowed."""

import unicodedata

import pytest
from grpclib.const import Status

from tests.conformance.calls import outcome_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.limits import TEXT_BYTES, text_bytes
from tests.conformance.needs import Rpc, needs
from tests.conformance.texts import BANNED, LEGAL

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME)


@pytest.mark.parametrize("text", LEGAL.values(), ids=LEGAL.keys())
async def test_a_legal_name_makes_a_volume_that_is_found_again_by_it(lab: Lab, text: str) -> None:
    name = fresh() + text
    first = await lab.create_volume(name)

    second = await lab.create_volume(name)

    assert second.volume_id == first.volume_id


@pytest.mark.parametrize("text", LEGAL.values(), ids=LEGAL.keys())
@needs(Rpc.CREATE_DELETE_SNAPSHOT)
async def test_a_legal_name_makes_a_snapshot_that_is_found_again_by_it(lab: Lab, text: str) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot") + text
    first = await lab.create_snapshot(volume.volume_id, name)

    second = await lab.create_snapshot(volume.volume_id, name)

    assert second.snapshot_id == first.snapshot_id


async def test_a_name_may_begin_with_any_legal_character(lab: Lab) -> None:
    volume = await lab.create_volume("-/" + fresh())

    assert volume.volume_id


@pytest.mark.parametrize("filling", ["x", "é", "\N{FLOPPY DISK}"])
async def test_a_name_of_128_bytes_is_legal(lab: Lab, filling: str) -> None:
    name = fresh()
    while text_bytes(name + filling) <= TEXT_BYTES:
        name += filling
    name = name.rjust(len(name) + TEXT_BYTES - text_bytes(name), "x")

    volume = await lab.create_volume(name)

    assert text_bytes(name) == TEXT_BYTES
    assert volume.volume_id


@needs(Rpc.CREATE_DELETE_SNAPSHOT)
async def test_a_snapshot_name_of_128_bytes_is_legal(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id, fresh("snapshot").ljust(TEXT_BYTES, "x"))

    assert 0 < text_bytes(snapshot.snapshot_id) <= TEXT_BYTES


@pytest.mark.parametrize("excess", [1, 100, 10_000])
async def test_a_name_of_more_than_128_bytes_is_refused_and_never_cut_short(
    lab: Lab, excess: int
) -> None:
    longest = fresh().ljust(TEXT_BYTES, "x")
    volume = await lab.create_volume(longest)

    status, other = await outcome_of(lab.create_volume(longest + "y" * excess))

    # The limit binds the caller; a plugin that lets more pass must still tell the names apart.
    assert status in {Status.INVALID_ARGUMENT, Status.OK}
    assert other is None or other.volume_id != volume.volume_id


@pytest.mark.parametrize("character", BANNED, ids=ascii)
async def test_a_banned_character_is_refused_and_never_left_out(lab: Lab, character: str) -> None:
    name = fresh()
    volume = await lab.create_volume(name)

    status, other = await outcome_of(lab.create_volume(name + character))

    # As with the length: the rule binds the caller, and must not make two names one.
    assert status in {Status.INVALID_ARGUMENT, Status.OK}
    assert other is None or other.volume_id != volume.volume_id


@pytest.mark.parametrize(
    ("ending", "other_ending"),
    [
        ("a", "A"),
        ("a", "a "),
        ("a", "a."),
        ("a-b", "a_b"),
        ("a/b", "a-b"),
        ("\u00e9", unicodedata.normalize("NFD", "\u00e9")),
        ("\N{FLOPPY DISK}", "\N{OPTICAL DISC}"),
    ],
)
async def test_names_that_look_alike_are_two_volumes(
    lab: Lab, ending: str, other_ending: str
) -> None:
    name = fresh()
    first = await lab.create_volume(name + ending)

    second = await lab.create_volume(name + other_ending)

    assert first.volume_id != second.volume_id
