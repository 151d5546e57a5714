"""What the checker notices, and what it bears."""

import pytest

from tests.chaos.pattern import BLOCK, EMPTY, TORN, parse, render
from tests.chaos.promises import Promises, State, Thing

MIB = 2**20
NAME, OTHER, SNAPSHOT = "pvc-1", "pvc-2", "snap-1"


@pytest.fixture
def promises() -> Promises:
    """Have a volume that was made."""
    found = Promises()
    found.ask_volume(NAME, MIB)
    found.made(found.volumes[NAME], MIB)
    return found


def read(promises: Promises, *blocks: str, name: str = NAME) -> None:
    promises.read(name, promises.volumes[name], dict(enumerate(blocks)))


# Blocks


def test_a_block_tells_its_mark() -> None:
    assert parse(render("pvc-1 3 7")) == "pvc-1 3 7"


def test_a_block_that_was_never_written_is_empty() -> None:
    assert parse(b"\0" * BLOCK) == EMPTY


@pytest.mark.parametrize("old", [render("pvc-1 3 7"), b"\0" * BLOCK])
@pytest.mark.parametrize("cut", [512, 2048, BLOCK - 512])
def test_a_block_of_which_some_sectors_are_older_is_torn(cut: int, old: bytes) -> None:
    new = render("pvc-1 3 8")

    assert parse(new[:cut] + old[cut:]) == TORN


# Bytes


def test_what_fsync_promised_has_to_be_read(promises: Promises) -> None:
    promises.ask_write(NAME, 0, "a")
    promises.wrote(NAME, 0, "a")

    read(promises, EMPTY)

    assert promises.broken == ["pvc-1, block 0: '' was read where 'a' has to be"]


@pytest.mark.parametrize("found", ["old", "new", TORN])
def test_a_write_without_an_end_leaves_either_or_half(promises: Promises, found: str) -> None:
    promises.ask_write(NAME, 0, "old")
    promises.wrote(NAME, 0, "old")
    promises.ask_write(NAME, 0, "new")

    read(promises, found)

    assert promises.broken == []


def test_what_was_read_once_is_read_again(promises: Promises) -> None:
    promises.ask_write(NAME, 0, "new")
    read(promises, EMPTY)

    read(promises, "new")

    assert len(promises.broken) == 1


def test_what_nobody_wrote_must_not_be_there(promises: Promises) -> None:
    read(promises, "somebody else")

    assert len(promises.broken) == 1


def test_a_copy_holds_what_its_source_held_then(promises: Promises) -> None:
    promises.ask_write(NAME, 0, "before")
    promises.wrote(NAME, 0, "before")
    promises.ask_snapshot(SNAPSHOT, NAME)
    promises.ask_write(NAME, 0, "after")
    promises.wrote(NAME, 0, "after")
    promises.ask_volume(OTHER, MIB, promises.snapshots[SNAPSHOT])

    read(promises, "before", name=OTHER)

    assert promises.broken == []


def test_a_filesystem_that_is_another_one_was_formatted_anew(promises: Promises) -> None:
    promises.holds(NAME, promises.volumes[NAME], "uuid-1")

    promises.holds(NAME, promises.volumes[NAME], "uuid-2")

    assert promises.broken == ["pvc-1 was formatted anew: uuid-1 became uuid-2"]


# Nodes


def test_a_volume_is_not_given_to_two_nodes(promises: Promises) -> None:
    promises.given(NAME, "a")

    promises.given(NAME, "b")

    assert promises.broken == ["pvc-1 was given to b while a had it"]


def test_a_volume_goes_on_to_another_node_when_it_was_taken_from_the_first(
    promises: Promises,
) -> None:
    promises.given(NAME, "a")
    promises.taken(NAME, "a")

    promises.given(NAME, "b")

    assert promises.broken == []


def test_a_node_without_power_has_nothing(promises: Promises) -> None:
    promises.given(NAME, "a")
    promises.node_off("a")

    promises.given(NAME, "b")

    assert promises.broken == []


def test_two_nodes_that_are_connected_at_once_are_seen(promises: Promises) -> None:
    promises.seen_connected({NAME: {"a", "b"}, OTHER: {"a"}})

    assert promises.broken == ["a and b were connected to pvc-1 at the same time"]


def test_a_volume_that_a_node_has_must_not_be_deleted(promises: Promises) -> None:
    promises.given(NAME, "a")

    promises.gone(NAME, promises.volumes[NAME])

    assert promises.broken == ["pvc-1 was deleted while a had it"]


# The device


def test_a_volume_that_is_promised_is_on_the_device(promises: Promises) -> None:
    promises.compare(promises.settled(), {})

    assert promises.broken == ["pvc-1 is promised and not on the device"]


def test_a_volume_that_was_deleted_is_not_on_the_device(promises: Promises) -> None:
    promises.gone(NAME, promises.volumes[NAME])

    promises.compare(promises.settled(), {NAME: MIB})

    assert promises.broken == ["pvc-1 was deleted and is on the device"]


def test_what_changed_while_the_device_was_asked_proves_nothing(promises: Promises) -> None:
    before = promises.settled()
    promises.ask_gone(promises.volumes[NAME])

    promises.compare(before, {})

    assert promises.broken == []


def test_what_nobody_asked_for_is_a_leak(promises: Promises) -> None:
    promises.compare_all({NAME: MIB, OTHER: MIB}, {}, now=0, grace=60)

    assert promises.broken == ["volume pvc-2 is on the device and nobody asked for it"]


@pytest.mark.parametrize(("age", "count"), [(59, 0), (61, 1)])
def test_what_was_left_behind_is_a_leak_after_the_grace_period(
    promises: Promises, age: int, count: int
) -> None:
    promises.ask_volume(OTHER, MIB)
    promises.left(promises.volumes[OTHER], now=100)

    promises.compare_all({NAME: MIB, OTHER: MIB}, {}, now=100 + age, grace=60)

    assert len(promises.broken) == count


def test_a_volume_is_not_smaller_than_it_is_promised_to_be(promises: Promises) -> None:
    promises.grew(NAME, 2 * MIB, 2 * MIB)

    promises.compare_all({NAME: MIB}, {}, now=0, grace=60)

    assert promises.broken == [f"volume pvc-1 has {MIB} bytes where {2 * MIB} are promised"]


def test_what_is_still_open_at_the_end_is_not_at_rest(promises: Promises) -> None:
    promises.ask_gone(promises.volumes[NAME])

    promises.compare_all({NAME: MIB}, {}, now=0, grace=60)

    assert promises.volumes[NAME].state is State.GOING
    assert promises.broken == ["volume pvc-1 is still going at the end"]


def test_a_sentence_is_said_once(promises: Promises) -> None:
    for _ in range(3):
        promises.compare(promises.settled(), {})

    assert len(promises.broken) == 1


def test_what_was_left_behind_is_overdue_after_the_grace_period_and_while_it_is_there() -> None:
    promises = Promises()
    promises.volumes[NAME] = Thing(State.LEFT, MIB, since=100)
    promises.volumes[OTHER] = Thing(State.THERE, MIB, since=100)

    assert promises.overdue([NAME, OTHER], now=159, grace=60) == []
    assert promises.overdue([NAME, OTHER], now=161, grace=60) == [NAME]
    assert promises.overdue([OTHER], now=161, grace=60) == []
