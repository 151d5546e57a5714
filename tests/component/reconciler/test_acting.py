"""What is asked just before each action, and what one that goes wrong does to the others."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace

from libs.kube.errors import NotLeader
from services.reconciler.adapters.clock import SteadyClock
from services.reconciler.findings import (
    Action,
    ActionKind,
    Finding,
    FindingKind,
    FindingState,
    Guard,
    Notice,
    Orphan,
    Subject,
)
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.model import AttachmentView, DeviceListing, ItemKind, Listing, Node
from services.reconciler.ports import ClusterView, DeviceLink
from services.reconciler.workflow.act import Actor, Hands
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.herald import Herald
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import Outcome, OutcomeState, PassRecord

NOTHING: Listing[AttachmentView] = Listing((), complete=False, read_at=0.0)


@dataclass
class Outside:
    """Both ports, and the observer; notes what was asked for. `buggy` are volumes with a bug."""

    asked: list[str] = field(default_factory=list)
    buggy: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    async def inventory(self, devices: Collection[str] = ()) -> Listing[DeviceListing]:  # noqa: ARG002
        return Listing((), complete=False, read_at=0.0)

    async def views(self) -> Listing[AttachmentView]:
        return NOTHING

    async def detach(self, action: Action) -> str:
        return self._do("detach", action)

    async def fence(self, action: Action) -> str:
        return self._do("fence", action)

    async def unfence(self, action: Action) -> str:
        return self._do("unfence", action)

    async def delete_orphan(self, action: Action) -> str:
        return self._do("delete orphan", action)

    async def watch_connections(self) -> AsyncIterator[tuple[DeviceLink, ...]]:
        yield ()

    async def view(self, not_before: float) -> ClusterView:
        raise NotImplementedError(not_before)

    async def node(self, name: str) -> Node | None:
        self.asked.append(f"node {name}")
        return None

    async def delete_attachment(self, action: Action) -> None:
        self._do("delete", action)

    async def remove_finalizer(self, action: Action) -> None:
        self._do("finalizer", action)

    async def tell(self, finding: Finding, action: Action, error: str = "") -> None:  # noqa: ARG002
        self.told.append(error)

    async def announce(self, notice: Notice) -> None:
        self.told.append(notice.text)

    async def changes(self) -> AsyncIterator[str]:
        yield ""

    def _do(self, what: str, action: Action) -> str:
        if action.subject.volume_id in self.buggy:
            raise ZeroDivisionError
        self.asked.append(f"{what} {action.subject.volume_id}")
        return "done"

    def passed(self, record: PassRecord, seconds: float) -> None: ...

    def acted(self, outcome: Outcome) -> None: ...

    def reacted(self, seconds: float) -> None: ...

    def found(self, kind: ItemKind) -> None: ...

    def cleared(self) -> None: ...


@dataclass
class Store:
    """A memory that is kept nowhere."""

    memory: Memory

    async def load(self) -> tuple[Memory, str]:
        return self.memory, "1"

    async def save(self, memory: Memory, version: str) -> str:  # noqa: ARG002
        self.memory = memory
        return "2"


def leads() -> None:
    """Do nothing, as for a leader."""


def detach(volume: str) -> Action:
    subject = Subject(volume_id=volume, node="a", volume_attachment=f"va of {volume}")
    return Action(ActionKind.DETACH, "finding", subject, "Detach", "why", guard=Guard("a"))


FINDING = Finding("finding", FindingKind.NODE_GONE, FindingState.ACTING, Subject(), "", "", 0.0)


async def perform(
    outside: Outside,
    *actions: Action,
    memory: Memory | None = None,
    check: object = leads,
    finding: Finding = FINDING,
) -> list[Outcome]:
    assert callable(check)
    clock = SteadyClock()
    recall = Recall(Store(memory or Memory()), clock, leads, allowance=1e10)
    await recall.read()
    herald = Herald(outside, outside)
    hands = Hands(outside, outside, recall, Backoff(), clock, outside, herald, check)
    actor = Actor(hands, at_once=4, on_late=leads)
    return await actor.perform(actions, {"finding": finding}, patience=10.0)


async def test_whoever_stopped_leading_while_the_node_was_read_does_not_act() -> None:
    outside = Outside()

    def check() -> None:
        if outside.asked:
            raise NotLeader("the term is over")

    (outcome,) = await perform(outside, detach("v1"), check=check)

    assert outside.asked == ["node a"]
    assert outcome.state is OutcomeState.DROPPED
    assert outside.told == []


async def test_a_pause_that_came_after_the_decision_holds_the_action_back() -> None:
    outside = Outside()
    paused = Pause("maintenance", "jane", since=0.0)

    (outcome,) = await perform(outside, detach("v1"), memory=Memory(paused=paused))

    assert outside.asked == ["node a"]
    assert outcome.error == "jane paused everything"


async def test_a_bug_in_one_action_stops_no_other_and_is_told() -> None:
    outside = Outside(buggy={"v2"})

    outcomes = await perform(outside, detach("v1"), detach("v2"), detach("v3"))

    assert [outcome.state for outcome in outcomes] == [
        OutcomeState.DONE,
        OutcomeState.FAILED,
        OutcomeState.DONE,
    ]
    assert {"detach v1", "detach v3"} <= set(outside.asked)
    assert outside.told.count("") == 2


async def test_of_two_actions_for_one_object_only_the_first_is_done() -> None:
    outside = Outside()
    first = detach("v1")

    outcomes = await perform(outside, first, replace(first, kind=ActionKind.FENCE))

    assert [outcome.action for outcome in outcomes] == [first]
    assert outside.asked == ["node a", "detach v1"]


async def test_what_is_not_remembered_any_more_as_it_was_decided_is_not_removed() -> None:
    outside = Outside()
    item = Orphan(ItemKind.VOLUME, "rds", "v1", 0, "print")
    finding = replace(FINDING, orphan=item, first_seen=5.0)
    subject = Subject(volume_id="v1", device="rds")
    removal = Action(ActionKind.DELETE_ORPHAN, "finding", subject, "Remove", "why")
    said = OrphanDecision(DecisionKind.IGNORED, "print", "jane", "mine", at=6.0)
    memory = Memory(first_seen={"finding": 5.0})

    same = await perform(outside, removal, memory=memory, finding=finding)
    after = memory.decided(item.key, said)
    other = await perform(outside, removal, memory=after, finding=finding)

    assert [outcome.state for outcome in (*same, *other)] == [
        OutcomeState.DONE,
        OutcomeState.DROPPED,
    ]
    assert outside.asked == ["delete orphan v1"]


class InTurn(Outside):
    """A controller that is asked about one volume after the other."""

    at_once = 0

    async def fence(self, action: Action) -> str:
        self.at_once += 1
        assert self.at_once == 1
        await asyncio.sleep(0)
        self.at_once -= 1
        return self._do(f"fence {action.subject.node} from", action)


async def test_two_nodes_are_shut_out_of_one_volume_one_after_the_other() -> None:
    outside = InTurn()
    actions = [
        Action(ActionKind.FENCE, "finding", Subject(volume_id="v1", node=node), "Shut", "why")
        for node in "ab"
    ]

    outcomes = await perform(outside, *actions)

    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE] * 2
    assert outside.asked == ["fence a from v1", "fence b from v1"]
