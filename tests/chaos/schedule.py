"""What goes wrong, and when: drawn from a seed, the same each time. Pure."""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass

from libs.mockrds.faults import Action


class Kind(enum.StrEnum):
    """What goes wrong."""

    KILL_CONTROLLER = "kill controller"
    KILL_NODE = "kill node plugin"
    KILL_RECONCILER = "kill reconciler"
    KILL_DEVICE = "kill device"
    OTHER_REPLICA = "calls go to the other controller"
    REPLY = "device reply"
    RESTART_DEVICE = "device restarts"
    SLOW_DEVICE = "device is slow"
    FULL_POOL = "pool is full"
    API_AWAY = "API is away"
    API_HANGS = "API hangs"
    API_SLOW = "API is slow"
    API_BROKEN = "API answers 500"
    API_LOSES = "API loses answers"
    API_FORGETS = "API forgets"
    LOSE_NODE = "node is lost"
    SKEW = "lease of another time"
    CLOCK = "clock is set"


DECK: dict[Kind, int] = {
    Kind.KILL_CONTROLLER: 4,
    Kind.KILL_NODE: 6,
    Kind.KILL_RECONCILER: 2,
    Kind.KILL_DEVICE: 1,
    Kind.OTHER_REPLICA: 4,
    Kind.REPLY: 18,
    Kind.RESTART_DEVICE: 3,
    Kind.SLOW_DEVICE: 2,
    Kind.FULL_POOL: 2,
    Kind.API_AWAY: 2,
    Kind.API_HANGS: 1,
    Kind.API_SLOW: 1,
    Kind.API_BROKEN: 2,
    Kind.API_LOSES: 3,
    Kind.API_FORGETS: 2,
    Kind.LOSE_NODE: 1,
    Kind.SKEW: 1,
    Kind.CLOCK: 2,
}
"""How many of each there are in a deck; decks are shuffled and played one after the other."""

REPLIES: Sequence[Action] = (
    Action.DROP_BEFORE,
    Action.DROP_AFTER,
    Action.DROP_AFTER,
    Action.TRUNCATE,
    Action.TRUNCATE,
    Action.DELAY,
    Action.GARBAGE,
    Action.NO_STATUS,
    Action.HANG,
    Action.DRIP,
    Action.REFUSE,
)

PER_SECOND = 1.5
"""Faults in a second, at intensity 1."""

_LENGTHS: dict[Kind, tuple[float, float]] = {
    Kind.KILL_CONTROLLER: (0.0, 0.5),
    Kind.KILL_NODE: (0.0, 0.5),
    Kind.KILL_RECONCILER: (0.0, 1.0),
    Kind.KILL_DEVICE: (0.0, 1.0),
    Kind.RESTART_DEVICE: (0.1, 2.0),
    Kind.SLOW_DEVICE: (1.0, 3.0),
    Kind.FULL_POOL: (1.0, 3.0),
    Kind.API_AWAY: (0.3, 3.0),
    Kind.API_HANGS: (0.5, 3.0),
    Kind.API_SLOW: (1.0, 3.0),
    Kind.API_BROKEN: (0.3, 2.0),
    Kind.LOSE_NODE: (4.0, 8.0),
}
CHANGES = "/disk/(add|set|remove)|/file/(add|remove|copy)|copy src"
"""What the device is told to change something."""

_OF_CHANGES = 0.5
"""How many of the replies that go wrong are those to changes; most commands only read."""

CLOCKS: Sequence[float] = (-10_800, -90, -2, 0, 2, 90, 10_800)
"""To what clocks are set, in seconds after the machine's."""

_MOST_CHARACTERS = 200
_MOST_DELAY = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        at: seconds from the begin.
        kind: what.
        which: a number, from which its target follows.
        seconds: how long it lasts; 0 for what is over at once.
        how: in which way, where there are several.
        amount: characters or seconds, for replies; seconds, for clocks.
        pattern: which command's reply; that of the next one where it is empty.
    """

    at: float
    kind: Kind
    which: int = 0
    seconds: float = 0.0
    how: str = ""
    amount: float = 0.0
    pattern: str = ""

    def __str__(self) -> str:
        parts = [f"{self.at:7.2f} s  {self.kind}", self.how]
        parts.append("to a change" if self.pattern else "")
        parts.append(f"for {self.seconds:.1f} s" if self.seconds else "")
        return " ".join(part for part in parts if part)


def draw_schedule(seed: int, seconds: float, intensity: float = 1.0) -> list[Fault]:
    """Return all faults of a run, in order."""
    chance = random.Random(f"faults {seed}")  # noqa: S311 (has to be the same each time)
    count = round(seconds * PER_SECOND * intensity)
    times = sorted(chance.uniform(0, seconds) for _ in range(count))
    deck: list[Kind] = []
    faults = []
    for at in times:
        if not deck:
            deck = [kind for kind, number in DECK.items() for _ in range(number)]
            chance.shuffle(deck)
        faults.append(_draw(chance, at, deck.pop()))
    return faults


def _draw(chance: random.Random, at: float, kind: Kind) -> Fault:
    which = chance.randrange(1_000_000)
    low, high = _LENGTHS.get(kind, (0.0, 0.0))
    length = round(chance.uniform(low, high), 2)
    if kind is Kind.REPLY:
        action = chance.choice(REPLIES)
        longest = _MOST_DELAY if action is Action.DELAY else _MOST_CHARACTERS
        amount = round(chance.uniform(1, longest), 1)
        pattern = CHANGES if chance.random() < _OF_CHANGES else ""
        return Fault(at, kind, which, how=action.value, amount=amount, pattern=pattern)
    if kind is Kind.LOSE_NODE:
        return Fault(at, kind, which, length, chance.choice(("deleted", "out of service")))
    if kind is Kind.SKEW:
        return Fault(at, kind, which, how=chance.choice(("past", "future")))
    if kind is Kind.CLOCK:
        to = chance.choice(CLOCKS)
        return Fault(at, kind, which, how=f"{to:+.0f} s", amount=to)
    return Fault(at, kind, which, length)
