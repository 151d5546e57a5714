"""What is common to all findings: IDs, first sights, and how they are worded. Pure."""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

from services.reconciler.findings import Action, Finding, FindingKind, FindingState, Orphan, Subject
from services.reconciler.inventory import Index
from services.reconciler.memory import Memory
from services.reconciler.rules import Rules


class Case:
    """What a pass decides from, and what it has seen so far.

    Attributes:
        index: what was read.
        memory: what is remembered.
        rules: what decides.
        now: the time.
        sights: when what was seen in this pass was first seen, by the IDs of findings.
        dues: when something falls due that is waiting.
    """

    def __init__(self, index: Index, memory: Memory, rules: Rules, now: float) -> None:
        self.index = index
        self.memory = memory
        self.rules = rules
        self.now = now
        self.sights: dict[str, float] = {}
        self.dues: list[float] = []
        # Rounded up, for a short text in the memory: what waits may wait longer, never shorter.
        self._first = math.ceil(now * 10) / 10

    def note(self, kind: FindingKind, subject: Subject, *parts: str) -> "Note":
        """Begin a finding.

        Args:
            kind: what it is.
            subject: what it is about.
            *parts: what tells it from others of its kind: with another of these, it is another
                finding, and its waiting period begins anew.
        """
        finding_id = prefix_of(kind, subject.device) + _digest("\n".join(parts), 6)
        since = self.memory.first_seen.get(finding_id, self._first)
        self.sights[finding_id] = since
        return Note(self, finding_id, kind, subject, since)


@dataclass(slots=True)
class Note:
    """A finding that is being worded; each method but `because` ends it.

    Attributes:
        case: the pass.
        id: the finding's ID.
        kind: what it is.
        subject: what it is about.
        since: when it was first seen.
        reason: what is wrong.
        orphan: what it is about, where that is an orphan.
    """

    case: Case
    id: str
    kind: FindingKind
    subject: Subject
    since: float
    reason: str = ""
    orphan: Orphan | None = None

    def is_due(self, grace: float) -> bool:
        """Whether it was first seen that long ago."""
        return grace <= 0 or self.case.now >= self.since + grace

    def because(self, reason: str, orphan: Orphan | None = None) -> "Note":
        """Say what is wrong, and why it counts as that."""
        self.reason, self.orphan = reason, orphan
        return self

    def waits(self, grace: float, then: str) -> Finding:
        """Wait until it was first seen that long ago."""
        due = self.since + grace
        self.case.dues.append(due)
        return self._end(FindingState.WAITING, then, due)

    def follows(self, then: str) -> Finding:
        """Wait for something that others do."""
        return self._end(FindingState.WAITING, then)

    def acts(self, action: Action) -> Finding:
        """Have something done."""
        return self._end(FindingState.ACTING, f"{action.text}.", self.case.now, (action,))

    def is_held_back(self, why: str) -> Finding:
        """Do nothing, though something would be due."""
        return self._end(FindingState.HELD_BACK, why)

    def is_for_people(self, advice: str) -> Finding:
        """Leave it to people."""
        return self._end(FindingState.FOR_PEOPLE, advice)

    def is_ignored(self, why: str) -> Finding:
        """Leave it, as somebody said."""
        return self._end(FindingState.IGNORED, why)

    def _end(
        self,
        state: FindingState,
        then: str,
        due: float | None = None,
        actions: tuple[Action, ...] = (),
    ) -> Finding:
        return Finding(
            self.id,
            self.kind,
            state,
            self.subject,
            self.reason,
            then,
            self.since,
            due,
            actions,
            self.orphan,
        )


@lru_cache(maxsize=1024)
def prefix_of(kind: FindingKind, device: str = "") -> str:
    """Return what the IDs of findings of a kind begin with: all, or those on one device."""
    return f"{kind.value}-{_digest(device, 2)}"


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()
