"""What holds for every cluster, in every order, at every time."""

import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.reconciler.findings import ActionKind, Decision, FindingState, reports
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory
from services.reconciler.model import AttachmentState, Listing, Ready
from services.reconciler.plan.decide import decide, decide_steps
from services.reconciler.rules import InUse, Rules
from tests.unit.reconciler.strategies import clusters, memories, rules
from tests.unit.reconciler.values import BASE, DRIVER, NOW

DESTRUCTIVE = set(ActionKind) - {ActionKind.UNFENCE}
TAKING = {ActionKind.FENCE, ActionKind.DETACH, ActionKind.DELETE_ATTACHMENT}


@st.composite
def passes(draw: Any) -> tuple[Seen, Memory, Rules, float]:
    seen = draw(clusters(sound=draw(st.integers(0, 3)) > 0))
    terms = draw(rules)
    now = NOW + draw(st.sampled_from([0.0, 0.0, 0.0, 0.0, 30.0, -1.0, 1e9, -NOW]))
    return seen, draw(memories(seen, terms)), terms, now


def check(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def of(decision: Decision, kind: ActionKind) -> list[Any]:
    return [action for action in decision.actions if action.kind is kind]


@given(passes())
@check(100)
def test_nothing_that_anything_refers_to_is_ever_chosen(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn

    decision = decide(seen, memory, terms, now)

    for action in of(decision, ActionKind.DELETE_ORPHAN):
        event("an orphan is removed")
        about = action.subject.volume_id or action.subject.snapshot_id
        slot = about.partition("@")[0]
        assert about not in {one.handle for one in seen.volumes.items}
        assert slot not in {one.name for one in seen.volumes.items if one.driver != DRIVER}
        held = {handle for one in (seen.contents or seen.volumes).items for handle in handles(one)}
        assert about not in held
        assert about not in {held.volume_id for held in seen.views.items}
        assert not any(
            reports(one, about) and about in one.volumes_in_use for one in seen.nodes.items
        )


def handles(item: Any) -> tuple[str, ...]:
    return getattr(item, "handles", ())


@given(passes())
@check(80)
def test_what_is_removed_is_within_the_limits_the_prefixes_and_the_directories(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn

    decision = decide(seen, memory, terms, now)

    chosen = of(decision, ActionKind.DELETE_ORPHAN)
    lately = sum(now - 3600 < at for at in memory.removals)
    assert len(chosen) <= min(terms.max_orphans, max(terms.max_orphans_hourly - lately, 0))
    paths = {
        (one.device, name): path
        for one in seen.devices.items
        for name, path in (
            *((volume.volume_id, volume.path) for volume in one.volumes),
            *((snapshot.snapshot_id, snapshot.path) for snapshot in one.snapshots),
            *((left.path, left.path) for left in one.leftovers),
        )
    }
    for action in chosen:
        path = paths[action.subject.device, action.item_id]
        about = action.subject.volume_id or action.subject.snapshot_id
        assert path.startswith(f"{BASE}/")
        assert ".." not in path
        assert about.startswith(("pvc-", "vol-", "snap-"))
        assert action.fingerprint


@given(passes())
@check(80)
def test_without_approval_nothing_young_nothing_retained_and_nothing_in_a_dry_run_is_removed(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn

    decision = decide(seen, memory, terms, now)

    for finding in decision.findings:
        if finding.orphan is None or not finding.actions:
            continue
        said = memory.decisions.get(finding.orphan.key)
        if said is None:
            assert not terms.orphans_dry_run
            first = memory.first_seen.get(finding.id, now)
            assert terms.orphan <= 0 or now - first >= terms.orphan
        else:
            assert said.kind is DecisionKind.APPROVED
            assert said.fingerprint == finding.orphan.fingerprint


@given(passes())
@check(100)
def test_no_volume_is_taken_from_a_node_that_is_ready_and_reports_it_in_use(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn
    nodes = {one.name: one for one in seen.nodes.items}

    decision = decide(seen, memory, terms, now)

    for action in decision.actions:
        if action.kind not in {*TAKING, ActionKind.REMOVE_FINALIZER}:
            continue
        node = nodes.get(action.subject.node)
        event(f"{action.kind.value} of a node that is {node.ready if node else 'gone'}")
        assert action.guard is not None
        assert action.guard.holds(node)
        if node is not None and action.subject.volume_id in node.volumes_in_use:
            assert node.ready is not Ready.YES
            assert not action.guard.holds(replace(node, ready=Ready.YES))
            if terms.in_use is InUse.NEVER and not node.out_of_service:
                # What the controller has detached already, only loses its mark.
                assert action.kind is ActionKind.REMOVE_FINALIZER


@given(passes())
@check(80)
def test_every_action_names_what_it_was_decided_from(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn
    attachments = {(one.name, one.node): one for one in seen.attachments.items}
    views = {one.uid: one for one in seen.views.items}

    decision = decide(seen, memory, terms, now)

    assert len({finding.id for finding in decision.findings}) == len(decision.findings)
    done = {(action.key, action.subject.node) for action in decision.actions}
    assert len(done) == len(decision.actions), "no two at once for one attachment or orphan"
    for finding in decision.findings:
        assert finding.reason
        assert finding.next
        assert bool(finding.actions) == (finding.state is FindingState.ACTING)
    for action in decision.actions:
        if action.kind is ActionKind.DELETE_ORPHAN or not action.subject.volume_attachment:
            continue
        held = attachments[action.subject.volume_attachment, action.subject.node]
        assert held.attacher == DRIVER
        assert (action.uid, action.resource_version or "7") == (held.uid, held.resource_version)
        if action.kind is ActionKind.REMOVE_FINALIZER:
            assert held.deleting_since is not None
            assert views[held.uid].state is AttachmentState.DETACHED


@given(
    passes(), st.sampled_from(["nodes", "attachments", "volumes", "contents", "devices", "views"])
)
@check(100)
def test_a_listing_that_is_not_whole_destroys_nothing_that_depends_on_it(
    drawn: tuple[Seen, Memory, Rules, float], part: str
) -> None:
    seen, memory, terms, now = drawn
    listing = getattr(seen, part) or Listing((), complete=True, read_at=now)
    if part == "devices":
        cut = tuple(replace(one, complete=False) for one in listing.items)
        listing = replace(listing, items=cut)

    broken = replace(seen, **{part: replace(listing, complete=False)})
    decision = decide(broken, memory, terms, now)

    kinds = {action.kind for action in decision.actions}
    assert ActionKind.DELETE_ORPHAN not in kinds
    if part in {"nodes", "attachments", "volumes"}:
        assert kinds & DESTRUCTIVE == set()
    if part == "views":
        assert kinds <= {ActionKind.DELETE_ATTACHMENT}, "which a Ready node does not use"
    assert decision.incomplete


@given(passes(), st.integers())
@check(60)
def test_the_order_in_which_things_were_read_does_not_matter(
    drawn: tuple[Seen, Memory, Rules, float], seed: int
) -> None:
    seen, memory, terms, now = drawn
    chance = random.Random(seed)  # noqa: S311 (an order, not a secret)

    def shuffled(listing: Any) -> Any:
        return listing and replace(
            listing, items=tuple(chance.sample(listing.items, len(listing.items)))
        )

    devices = shuffled(seen.devices)
    inner = [
        replace(
            one,
            volumes=tuple(chance.sample(one.volumes, len(one.volumes))),
            leftovers=tuple(chance.sample(one.leftovers, len(one.leftovers))),
        )
        for one in devices.items
    ]
    other = Seen(
        nodes=shuffled(seen.nodes),
        attachments=shuffled(seen.attachments),
        volumes=shuffled(seen.volumes),
        contents=shuffled(seen.contents),
        devices=replace(devices, items=tuple(inner)),
        views=shuffled(seen.views),
    )

    assert decide(other, memory, terms, now) == decide(seen, memory, terms, now)


@given(passes())
@check(40)
def test_a_pass_comes_in_pieces_and_ends_with_its_decision(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    *pieces, last = decide_steps(*drawn)

    assert set(pieces) == {None}
    assert last == decide(*drawn)


@given(passes())
@check(40)
def test_while_paused_nothing_is_done(drawn: tuple[Seen, Memory, Rules, float]) -> None:
    seen, memory, terms, now = drawn

    decision = decide(seen, memory, terms, now)

    if memory.paused:
        assert decision.actions == ()


@given(passes())
@check(40)
def test_the_same_again_finds_the_same_and_remembers_since_when(
    drawn: tuple[Seen, Memory, Rules, float],
) -> None:
    seen, memory, terms, now = drawn

    first = decide(seen, memory, terms, now)
    again = decide(seen, first.memory, terms, now)

    assert [one.id for one in again.findings] == [one.id for one in first.findings]
    assert again.memory == first.memory
