"""How much is too much for one pass, and which orphans go first."""

from dataclasses import replace

import pytest

from services.reconciler.inventory import Index
from services.reconciler.memory import Memory
from services.reconciler.model import Ready
from services.reconciler.plan.limits import Chosen, Due, choose, find_lost
from tests.unit.reconciler.values import ACTIVE, NOW, node, pv, seen, va, volume_id

WIDE = replace(ACTIVE, max_orphans=3, max_orphans_percent=100, max_orphans_hourly=4)
ITEMS = {"rds": 100, "b": 19}


def index(ready: int, away: int, gone: int, *, nowhere: int = 0) -> Index:
    """Return a cluster with so many nodes, and with attachments to so many that are gone."""
    names = [f"gone{n}" for n in range(gone)] + [""] * nowhere
    vas = [va(volume_id(number), name) for number, name in enumerate(names)]
    nodes = [node(f"up{n}") for n in range(ready)]
    nodes += [node(f"down{n}", (Ready.NO, Ready.UNKNOWN)[n % 2]) for n in range(away)]
    whole = Index(seen(nodes=nodes, vas=vas, pvs=[pv(one.volume) for one in vas]), ACTIVE, NOW)
    for _ in whole.fill():
        pass
    return whole


@pytest.mark.parametrize(
    ("ready", "away", "gone", "lost"),
    [
        (0, 0, 0, ("", "")),
        (5, 0, 0, ("", "")),
        (3, 3, 0, ("", "")),
        (3, 4, 0, ("", "4 of 7 nodes")),
        (49, 50, 0, ("", "50 of 99 nodes")),
        (1, 2, 0, ("", "")),
        (2, 3, 0, ("", "3 of 5 nodes")),
        (0, 1, 0, ("", "1 of 1 nodes")),
        (0, 2, 0, ("", "2 of 2 nodes")),
        (0, 0, 1, ("1 of 1 nodes", "")),
        (3, 0, 3, ("", "")),
        (2, 0, 3, ("3 of 5 nodes", "")),
        (1, 0, 2, ("", "")),
        (1, 1, 3, ("3 of 5 nodes", "")),
    ],
)
def test_nodes_are_left_alone_when_all_or_most_of_them_are_lost(
    ready: int, away: int, gone: int, lost: tuple[str, str]
) -> None:
    found = find_lost(index(ready, away, gone), ACTIVE)

    told = [why and why[: why.index(" nodes") + 6] for why in (found.gone, found.not_ready)]
    assert tuple(told) == lost


def test_an_attachment_to_no_node_loses_none() -> None:
    found = find_lost(index(2, 0, 2, nowhere=1), ACTIVE)

    assert (found.gone, found.not_ready) == ("", "")


def test_people_hear_how_the_nodes_are_lost() -> None:
    away = find_lost(index(0, 1, 0), ACTIVE).not_ready
    gone = find_lost(index(0, 0, 1), ACTIVE).gone

    assert away.startswith("1 of 1 nodes are not Ready,")
    assert away.endswith(
        "nothing is taken from them. Where they are off, taint them as out of service."
    )
    assert gone.startswith("1 of 1 nodes do not exist any more,")
    assert gone.endswith("nothing is taken from them.")


def due(name: str, since: float = 0.0, device: str = "rds") -> Due:
    return Due(name, device, is_approved=False, since=since)


def approved(name: str, since: float = 0.0) -> Due:
    return Due(name, "rds", is_approved=True, since=since)


def chosen(*orphans: Due, removals: int = 0, at: float = NOW) -> Chosen:
    return choose(orphans, ITEMS, Memory(removals=(at,) * removals), WIDE, NOW)


ONE_BY_ONE = "A pass removes 3 orphans at most, and an hour 4; its turn comes."


def test_what_is_within_the_limits_is_chosen() -> None:
    assert chosen(due("a"), due("b"), due("c")) == Chosen(frozenset("abc"), {}, "")
    assert chosen() == Chosen(frozenset(), {}, "")


@pytest.mark.parametrize(
    ("orphans", "first", "later"),
    [
        ([approved(n) for n in "dcba"], "abc", "d"),
        ([approved(n, since) for n, since in zip("abcd", (4, 3, 2, 1), strict=True)], "bcd", "a"),
        ([due("a"), due("b"), *[approved(n, 5) for n in "xy"]], "axy", "b"),
        ([*[approved(n, 5) for n in "wxyz"], due("a")], "wxy", "za"),
    ],
)
def test_what_a_person_approved_goes_first_and_then_what_has_waited_longest(
    orphans: list[Due], first: str, later: str
) -> None:
    result = chosen(*orphans)

    assert result == Chosen(frozenset(first), dict.fromkeys(later, ONE_BY_ONE), "")


@pytest.mark.parametrize(
    ("removals", "at", "count"),
    [
        (0, NOW, 3),
        (1, NOW, 3),
        (2, NOW, 2),
        (4, NOW, 0),
        (5, NOW, 0),
        (4, NOW - 3599.5, 0),
        (4, NOW - 3600.0, 3),
        (4, NOW - 3600.5, 3),
    ],
)
def test_an_hour_has_room_for_so_many(removals: int, at: float, count: int) -> None:
    result = chosen(*[due(name) for name in "abc"], removals=removals, at=at)

    assert result == Chosen(frozenset("abc"[:count]), dict.fromkeys("abc"[count:], ONE_BY_ONE), "")


def test_one_orphan_too_many_stops_all_but_what_a_person_approved() -> None:
    result = chosen(*[due(name) for name in "abcd"], approved("x"))

    assert result.ids == {"x"}
    assert result.stopped.startswith("4 orphans would be removed, more than 3 in a pass, so none")
    assert result.why_not == dict.fromkeys("abcd", result.stopped)


def test_what_is_suspect_says_so_by_itself_and_stops_nothing() -> None:
    odd = replace(due("odd"), suspect="why")

    alone = chosen(odd, due("a"), replace(approved("x"), suspect="why"))
    stopped = chosen(odd, *[due(name) for name in "abc"])

    assert alone == Chosen(frozenset("ax"), {"odd": "why"}, "")
    assert stopped.why_not == {"odd": "why"} | dict.fromkeys("abc", stopped.stopped)
    assert stopped.ids == frozenset()


@pytest.mark.parametrize(
    ("items", "percent", "count", "stopped"),
    [
        (19, 10, 1, ""),
        (19, 10, 2, "2 orphans of 19 items on rds would be removed, more than 10 %,"),
        (20, 10, 2, ""),
        (20, 10, 3, "3 orphans of 20 items on rds would be removed, more than 10 %,"),
        (1, 10, 1, ""),
        (1, 0, 1, ""),
        (99, 1, 1, ""),
        (200, 1, 2, ""),
        (199, 1, 2, "2 orphans of 199 items on rds would be removed, more than 1 %,"),
        (0, 100, 1, ""),
        (0, 100, 2, "2 orphans of 0 items on rds would be removed, more than 100 %,"),
    ],
)
def test_a_device_gives_away_no_more_than_its_share(
    items: int, percent: int, count: int, stopped: str
) -> None:
    rules = replace(ACTIVE, max_orphans=10, max_orphans_percent=percent)
    orphans = [due(str(n)) for n in range(count)]
    there = {"rds": items, "b": 1}

    result = choose([*orphans, due("other", device="b")], there, Memory(), rules, NOW)

    assert result.stopped[: len(stopped) or None] == stopped
    assert len(result.ids) == (0 if stopped else count + 1)
