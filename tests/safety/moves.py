"""The moves of a sequence: calls as the kubelet makes them, right and wrong ones, and faults."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from libs.core.size import MIB
from libs.csikit.capability import Mode
from libs.nvmeof.model import LinkState
from protos.gen.csi import v1 as csi
from tests.component.node.rig import NAME, PREFIX, SIZES, may_grow_ext4, mounted, raw
from tests.safety.lane import NQN, PODS, Lane
from tests.safety.parts import status_of

Move: TypeAlias = tuple[str, str]
"""What is done, and how or to which pod; both are names, so that a sequence can be printed."""

_OTHER = {"ext4": "xfs", "xfs": "btrfs", "btrfs": "ext4"}

STAGES: dict[str, Callable[[str], csi.VolumeCapability]] = {
    "right": mounted,
    "option": lambda fs_type: mounted(fs_type, "noatime"),
    "read-only": lambda fs_type: mounted(fs_type, "ro"),
    "reader": lambda fs_type: mounted(fs_type, mode=Mode.SINGLE_NODE_READER_ONLY),
    "readers": lambda fs_type: mounted(fs_type, mode=Mode.MULTI_NODE_READER_ONLY),
    "other filesystem": lambda fs_type: mounted(_OTHER[fs_type]),
    "block": lambda _: raw(),
}

_CUTS = {"start": 0, "near": 64 * 1024, "middle": 512 * 1024, "end": -4096}

_WEIGHTS: dict[Move, int] = {
    ("stage", "right"): 30,
    **{("stage", how): 2 for how in STAGES if how != "right"},
    ("stage", "too large"): 2,
    ("stage", "no size"): 3,
    ("stage twice", "right"): 3,
    ("stage hastily", "right"): 3,
    **{("publish", pod): 12 for pod in PODS},
    **{("publish for reading", pod): 2 for pod in PODS},
    ("publish as block", PODS[0]): 1,
    **{("unpublish", pod): 6 for pod in PODS},
    ("unstage", ""): 10,
    ("unstage twice", ""): 1,
    ("stats", ""): 3,
    ("expand", ""): 2,
    ("grow", ""): 2,
    ("connects fail", ""): 3,
    ("looks fail", ""): 3,
    ("vanish", ""): 5,
    ("renumber", ""): 5,
    ("hide", ""): 2,
    ("show", ""): 2,
    ("dead", ""): 2,
    ("connecting", ""): 1,
    ("truth", ""): 2,
    ("break reads", ""): 4,
    ("break writes", ""): 3,
    ("mend", ""): 6,
    **{("cut connected", where): 2 for where in _CUTS},
    **{("cut", where): 1 for where in _CUTS},
    ("put back", ""): 4,
    **{("hold", pod): 3 for pod in PODS},
    ("release", ""): 3,
    **{("write", pod): 3 for pod in PODS},
    ("stop", ""): 4,
    ("reopen", ""): 3,
    ("reopen", "records lost"): 3,
    ("reopen", "marks lost"): 2,
    ("reopen", "all lost"): 2,
    ("cluster away", ""): 2,
    ("cluster back", ""): 2,
    ("reset", ""): 4,
}
_EMPTY = [
    move
    for move in _WEIGHTS
    if move[0].startswith(("stage", "publish", "unstage", "cut", "reopen", "break", "connects"))
]


def draw(rng: random.Random) -> list[Move]:
    """Return a sequence, most of which begin with a volume that is staged and published."""
    moves = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=rng.randint(3, 10))
    if rng.random() < 0.6:
        moves = [("stage", "right"), ("publish", rng.choice(PODS)), *moves]
    return moves


def draw_for_empty(rng: random.Random) -> list[Move]:
    """Return a sequence for a device that is empty and cannot be read wholly."""
    cut = ("cut connected", rng.choice(list(_CUTS)))
    return [cut, ("stage", "right"), *rng.choices(_EMPTY, k=rng.randint(1, 6))]


async def make(lane: Lane, move: Move) -> str:
    """Make a move; return how it ended, for people."""
    name, how = move
    if name in {"stage", "stage twice", "stage hastily"}:
        return await _stage(lane, name, how)
    if name in _CALLS:
        status, text = await status_of(_CALLS[name](lane, how))
        assert status.name not in {"UNKNOWN", "CANCELLED"}, text
        return f"{status.name} {text}"
    await _FAULTS[name](lane, how)
    return ""


async def _stage(lane: Lane, name: str, how: str) -> str:
    capability = STAGES.get(how, mounted)(lane.fs_type)
    size = SIZES[lane.fs_type]
    if how == "too large":
        size += 8 * MIB
    context = {
        "nvme_address": "192.0.2.2",
        "nvme_nqn": f"{PREFIX}:{NAME}",
        "size_bytes": str(size),
    }
    if how == "no size":
        del context["size_bytes"]

    def stage() -> Awaitable[None]:
        return lane.rig.stage(capability, size=size, publish_context=context)

    if name == "stage hastily":
        task = asyncio.ensure_future(stage())
        await asyncio.wait((task,), timeout=0.03)
        task.cancel()
        await asyncio.wait((task,))
        return "left"
    ended = await asyncio.gather(*(status_of(stage()) for _ in range(1 + (name == "stage twice"))))
    assert all(status.name not in {"UNKNOWN", "CANCELLED"} for status, _ in ended), ended
    return "; ".join(f"{status.name} {text}" for status, text in ended)


async def _twice(lane: Lane, _: str) -> None:
    ended = await asyncio.gather(lane.rig.unstage(), lane.rig.unstage(), return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error


async def _grow(lane: Lane, _: str) -> None:
    if lane.is_whole and lane.rig.loops() and (lane.fs_type != "ext4" or may_grow_ext4()):
        lane.rig.image(SIZES[lane.fs_type] + 16 * MIB)
        await lane.rig.expand(SIZES[lane.fs_type] + 16 * MIB)


_CALLS: dict[str, Callable[[Lane, str], Awaitable[object]]] = {
    "publish": lambda lane, pod: lane.rig.publish(lane.right, pod),
    "publish for reading": lambda lane, pod: lane.rig.publish(lane.right, pod, readonly=True),
    "publish as block": lambda lane, pod: lane.rig.publish(raw(), pod),
    "unpublish": lambda lane, pod: lane.rig.unpublish(pod),
    "unstage": lambda lane, _: lane.rig.unstage(),
    "unstage twice": _twice,
    "stats": lambda lane, _: lane.rig.stats(),
    "expand": lambda lane, _: lane.rig.expand(0),
    "grow": _grow,
}


async def _fail(lane: Lane, what: str) -> None:
    if what == "connects":
        lane.fabrics.fail_connects(2)
    else:
        lane.fabrics.fail_finds(1)


async def _break(lane: Lane, what: str) -> None:
    if not (lane.can_break and lane.is_whole and await lane.fabrics.has_disk(NQN)):
        return
    if what == "reads":
        await lane.fabrics.break_reads(NQN)
    else:
        await lane.fabrics.fail_writes(NQN)
    lane.broken = True


async def _mend(lane: Lane, _: str) -> None:
    await lane.mend()


async def _cut(lane: Lane, where: str, *, connected: bool) -> None:
    at = _CUTS[where]
    if lane.is_whole:
        size = lane.image.stat().st_size
        await lane.cut(at if at >= 0 else size + at, connected=connected)


async def _reopen(lane: Lane, what: str) -> None:
    await lane.open(
        records_lost=what in {"records lost", "all lost"},
        marks_lost=what in {"marks lost", "all lost"},
    )


async def _vanish(lane: Lane, *, back: bool) -> None:
    if not lane.broken and await lane.fabrics.has_disk(NQN):
        await (lane.fabrics.renumber(NQN) if back else lane.fabrics.vanish(NQN))


async def _tell(lane: Lane, state: LinkState | None) -> None:
    lane.fabrics.set_state(NQN, state)


async def _show(lane: Lane, *, shown: bool) -> None:
    (lane.fabrics.show_device if shown else lane.fabrics.hide_device)(NQN)


async def _be_away(lane: Lane, *, away: bool) -> None:
    lane.cluster.away = away


async def _reset(lane: Lane, _: str) -> None:
    lane.cluster.resets += 1


_FAULTS: dict[str, Callable[[Lane, str], Awaitable[object]]] = {
    "connects fail": lambda lane, _: _fail(lane, "connects"),
    "looks fail": lambda lane, _: _fail(lane, "looks"),
    "vanish": lambda lane, _: _vanish(lane, back=False),
    "renumber": lambda lane, _: _vanish(lane, back=True),
    "hide": lambda lane, _: _show(lane, shown=False),
    "show": lambda lane, _: _show(lane, shown=True),
    "dead": lambda lane, _: _tell(lane, LinkState.DEAD),
    "connecting": lambda lane, _: _tell(lane, LinkState.CONNECTING),
    "truth": lambda lane, _: _tell(lane, None),
    "break reads": lambda lane, _: _break(lane, "reads"),
    "break writes": lambda lane, _: _break(lane, "writes"),
    "mend": _mend,
    "cut connected": lambda lane, where: _cut(lane, where, connected=True),
    "cut": lambda lane, where: _cut(lane, where, connected=False),
    "put back": lambda lane, _: lane.put_back(),
    "hold": lambda lane, pod: lane.hold(pod),
    "release": lambda lane, _: lane.release(),
    "write": lambda lane, pod: lane.write(pod),
    "stop": lambda lane, _: lane.stop(),
    "reopen": _reopen,
    "cluster away": lambda lane, _: _be_away(lane, away=True),
    "cluster back": lambda lane, _: _be_away(lane, away=False),
    "reset": _reset,
}


def show(moves: Sequence[tuple[Move, str]]) -> str:
    """Return what was done and how it ended, a line each."""
    return "\n".join(f"  {name} {how} -> {ended}" for (name, how), ended in moves)
