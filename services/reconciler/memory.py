"""What outlives a leader: first sights, what people decided, and the pause. Pure.

It is kept as one text, in a ConfigMap for one, of which the API server takes 1 MiB at most.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from libs.core.errors import Exhausted, InvalidRequest

MAX_BYTES = 900_000
"""The longest text."""

MAX_DECISIONS = 500
"""How many decisions of people are kept; the next one is refused, and none is ever dropped."""

_MAX_WORDS = 400
_VERSION = 2
_TRACE = 12
_MARK = 10


class DecisionKind(Enum):
    """What a person decided about an orphan; rdscsi.reconciler.v1.DecisionKind."""

    APPROVED = "approved"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class OrphanDecision:
    """What a person decided about an orphan.

    Attributes:
        kind: whether it is to be removed or left.
        fingerprint: of the orphan; the approval holds for this state of it only.
        by: who decided.
        reason: why.
        at: when.
        until: when it ends; None for never.
    """

    kind: DecisionKind
    fingerprint: str
    by: str
    reason: str
    at: float
    until: float | None = None

    def holds(self, fingerprint: str, now: float) -> bool:
        """Whether it holds for an orphan of that fingerprint.

        An orphan that is to be left is left whatever becomes of it.
        """
        if self.until is not None and now >= self.until:
            return False
        return self.kind is DecisionKind.IGNORED or self.fingerprint == fingerprint


@dataclass(frozen=True, slots=True)
class Pause:
    """No action is taken: why, by whom, since when, until when (None: until somebody resumes)."""

    reason: str
    by: str
    since: float
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether it has not ended by itself."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is remembered from pass to pass.

    Attributes:
        first_seen: when findings were first seen, by their IDs.
        decisions: what people decided, by `findings.orphan_key`.
        paused: the pause, if there is one.
        removals: when orphans were removed, in the last hour.
        retained: marks of volumes and snapshots that were last referred to by an object that says
            to retain them: see `mark`.
        told: traces of the orphans that people have heard of: see `trace`.
        saved_at: when this was saved; by the clock of the leader who did.
    """

    first_seen: Mapping[str, float] = field(default_factory=dict)
    decisions: Mapping[str, OrphanDecision] = field(default_factory=dict)
    paused: Pause | None = None
    removals: tuple[float, ...] = ()
    retained: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    saved_at: float = 0.0

    def rebased(self, now: float, allowance: float) -> "Memory":
        """Return it for a leader whose clock may differ from that of the one who saved it.

        What had passed when it was saved stays passed. Of the time since then, which only a
        comparison of the two clocks could tell, `allowance` seconds at most are counted.
        """
        shift = now - self.saved_at
        over = min(shift, 0.0) or max(shift - allowance, 0.0)
        if not over:
            return self
        moved = {key: at + over for key, at in self.first_seen.items()}
        return replace(
            self, first_seen=moved, removals=tuple(at + over for at in self.removals), saved_at=now
        )

    def decided(self, key: str, decision: OrphanDecision) -> "Memory":
        """Return it with one more decision.

        Raises:
            Exhausted: there are too many.
        """
        if key not in self.decisions and len(self.decisions) >= MAX_DECISIONS:
            raise Exhausted(
                f"there are {MAX_DECISIONS} decisions about orphans already; withdraw some that "
                "are not needed any more"
            )
        cut = replace(decision, by=_cut(decision.by), reason=_cut(decision.reason))
        return replace(self, decisions={**self.decisions, key: cut})

    def withdrawn(self, key: str) -> "Memory":
        """Return it without the decision about one orphan."""
        return replace(self, decisions={k: v for k, v in self.decisions.items() if k != key})

    def removed(self, at: float) -> "Memory":
        """Return it after one more orphan was removed, or may have been."""
        return replace(self, removals=(*self.removals, at))


def mark(item_id: str) -> str:
    """Return what a volume or snapshot is remembered by.

    It is short: two that share a mark are both left to people, and nothing worse comes of it.
    """
    return hashlib.blake2b(item_id.encode(), digest_size=_MARK // 2).hexdigest()


def trace(finding_id: str) -> str:
    """Return what an orphan that was told of is remembered by: the end of its finding's ID."""
    return finding_id[-_TRACE:]


def _cut(words: str) -> str:
    while len(json.dumps(words)) > _MAX_WORDS:
        words = words[: len(words) * 9 // 10]
    return words


def render_memory(memory: Memory, now: float) -> str:
    """Return it as text of at most `MAX_BYTES`, all ASCII.

    Where that is too little, it is left out which orphans people have heard of, who then hear of
    them again; and first sights, the latest ones first: what they are about waits longer.

    Raises:
        Exhausted: it is too much even so.
    """
    text = _render(memory, now)
    if len(text) > MAX_BYTES:
        memory = replace(memory, told=frozenset())
        text = _render(memory, now)
    sights = sorted(memory.first_seen.items(), key=lambda sight: (sight[1], sight[0]))
    while len(text) > MAX_BYTES and sights:
        sights = sights[: int(len(sights) * 0.9)]
        text = _render(replace(memory, first_seen=dict(sights)), now)
    if len(text) > MAX_BYTES:
        raise Exhausted(f"the memory has {len(text)} bytes, more than {MAX_BYTES}")
    return text


def _render(memory: Memory, now: float) -> str:
    pause = memory.paused
    value = {
        "version": _VERSION,
        "savedAt": now,
        "firstSeen": _render_sights(memory.first_seen),
        "decisions": {
            key: [d.kind.value, d.fingerprint, d.by, d.reason, d.at, d.until]
            for key, d in sorted(memory.decisions.items())
        },
        "paused": [pause.reason, pause.by, pause.since, pause.until] if pause else None,
        "removals": list(memory.removals),
        "retained": "".join(sorted(memory.retained)),
        "told": "".join(sorted(memory.told)),
    }
    return json.dumps(value, separators=(",", ":"))


def _render_sights(sights: Mapping[str, float]) -> dict[str, dict[str, str]]:
    """Return the ends of IDs by what they begin with, and by the time, which many share."""
    found: dict[str, dict[str, list[str]]] = {}
    for finding_id, at in sights.items():
        kind, _, key = finding_id.rpartition("-")
        found.setdefault(kind, {}).setdefault(repr(at), []).append(key)
    return {
        kind: {at: " ".join(sorted(keys)) for at, keys in sorted(times.items())}
        for kind, times in sorted(found.items())
    }


def _parse_sights(value: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    return {
        f"{kind}-{key}": float(at)
        for kind, times in value.items()
        for at, keys in times.items()
        for key in keys.split(" ")
    }


def parse_memory(text: str) -> Memory:
    """Read what `render_memory` wrote; of an empty text, a memory of nothing.

    Raises:
        InvalidRequest: it cannot be read. Then nothing is known of what people decided, and nothing
            may be removed.
    """
    if not text:
        return Memory()
    try:
        value = json.loads(text)
        if value["version"] != _VERSION:
            raise InvalidRequest(f"the memory is of version {value['version']}, not {_VERSION}")
        return _memory(value)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise InvalidRequest("the memory cannot be read", detail=str(error)) from None


def _memory(value: Mapping[str, Any]) -> Memory:
    return Memory(
        first_seen=_parse_sights(value["firstSeen"]),
        decisions={
            key: OrphanDecision(
                DecisionKind(kind), str(print_), str(by), str(reason), float(at), _moment(until)
            )
            for key, (kind, print_, by, reason, at, until) in value["decisions"].items()
        },
        paused=_pause(*value["paused"]) if value["paused"] else None,
        removals=tuple(map(float, value["removals"])),
        retained=_pieces(value["retained"], _MARK),
        told=_pieces(value["told"], _TRACE),
        saved_at=float(value["savedAt"]),
    )


def _pieces(text: str, width: int) -> frozenset[str]:
    return frozenset(text[i : i + width] for i in range(0, len(text), width))


def _pause(reason: str, by: str, since: float, until: float | None) -> Pause:
    return Pause(str(reason), str(by), float(since), _moment(until))


def _moment(value: float | None) -> float | None:
    return None if value is None else float(value)
