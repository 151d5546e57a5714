"""What was promised: by answers of the driver, and by fsync. Pure; what is broken is kept here.

Everything is told twice: that something is asked for, and what came of it. Between the two, and
after an answer that leaves it open, either may be the case; nothing else.
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tests.chaos.pattern import EMPTY, TORN

Content = dict[int, frozenset[str]]
"""What may be read from each block; what is not in here is empty."""


class State(enum.Enum):
    """What is known of something that was asked for."""

    ASKED = "asked for"
    THERE = "there"
    GOING = "going"
    GONE = "gone"
    LEFT = "left behind"


@dataclass
class Thing:
    """A volume or a snapshot.

    Attributes:
        state: what is known.
        size: in bytes, at least.
        content: what may be read.
        filesystem: the UUID of its filesystem, once something was written to it for good.
        nodes: those that it was given to, and not taken from yet.
        since: when it was left behind.
        changes: how often its state was told, so that one can see whether it was meanwhile.
    """

    state: State = State.ASKED
    size: int = 0
    content: Content = field(default_factory=dict)
    filesystem: str = ""
    nodes: set[str] = field(default_factory=set)
    since: float = 0.0
    changes: int = 0


@dataclass
class Promises:
    """All of them.

    Attributes:
        volumes: by name.
        snapshots: by name.
        broken: sentences, one for each that was not kept.
        checks: how many comparisons were made.
    """

    volumes: dict[str, Thing] = field(default_factory=dict)
    snapshots: dict[str, Thing] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    checks: int = 0

    def _break(self, sentence: str) -> None:
        if sentence not in self.broken:
            self.broken.append(sentence)

    def _tell(self, thing: Thing, state: State) -> None:
        thing.state = state
        thing.changes += 1

    # What there is

    def ask_volume(self, name: str, size: int, source: Thing | None = None) -> None:
        """A volume is asked for, empty or as a copy of what something holds now."""
        content = dict(source.content) if source else {}
        filesystem = source.filesystem if source else ""
        self.volumes[name] = Thing(State.ASKED, size, content, filesystem)

    def ask_snapshot(self, name: str, source: str) -> None:
        """A snapshot is asked for."""
        volume = self.volumes[source]
        content, filesystem = dict(volume.content), volume.filesystem
        self.snapshots[name] = Thing(State.ASKED, 0, content, filesystem)

    def made(self, thing: Thing, size: int) -> None:
        """Something is there, of a size."""
        if size < thing.size:
            self._break(f"{size} bytes were made where {thing.size} were asked for")
        thing.size = size
        self._tell(thing, State.THERE)

    def ask_gone(self, thing: Thing) -> None:
        """Something is to go."""
        self._tell(thing, State.GOING)

    def gone(self, name: str, thing: Thing) -> None:
        """Something is gone."""
        if thing.nodes:
            self._break(f"{name} was deleted while {_list(thing.nodes)} had it")
        self._tell(thing, State.GONE)

    def left(self, thing: Thing, now: float) -> None:
        """Nobody asks any more for something that may be there, or may yet come to be."""
        thing.since = now
        self._tell(thing, State.LEFT)

    def grew(self, name: str, size: int, wanted: int) -> None:
        """A volume has a new size."""
        if size < wanted:
            self._break(f"{name} grew to {size} bytes where {wanted} were asked for")
        self.volumes[name].size = max(size, self.volumes[name].size)

    # Who has it

    def given(self, name: str, node: str) -> None:
        """A volume was given to a node, which may write to it from now on."""
        others = self.volumes[name].nodes - {node}
        if others:
            self._break(f"{name} was given to {node} while {_list(others)} had it")
        self.volumes[name].nodes.add(node)

    def taken(self, name: str, node: str) -> None:
        """A volume was taken from a node, which has let go of it before."""
        self.volumes[name].nodes.discard(node)

    def node_off(self, node: str) -> None:
        """A node was switched off: it writes no more to anything."""
        for thing in self.volumes.values():
            thing.nodes.discard(node)

    def seen_connected(self, connected: Mapping[str, set[str]]) -> None:
        """Nodes were seen to be connected to volumes."""
        self.checks += 1
        for name, nodes in connected.items():
            if len(nodes) > 1:
                self._break(f"{_list(nodes)} were connected to {name} at the same time")

    # What is in it

    def ask_write(self, name: str, block: int, mark: str) -> None:
        """A block is being written."""
        content = self.volumes[name].content
        content[block] = content.get(block, frozenset({EMPTY})) | {mark, TORN}

    def wrote(self, name: str, block: int, mark: str) -> None:
        """A block was written and is on the device: fsync said so."""
        self.volumes[name].content[block] = frozenset({mark})

    def holds(self, name: str, thing: Thing, filesystem: str) -> None:
        """Something with data on it was seen to have a filesystem."""
        if thing.filesystem and thing.filesystem != filesystem:
            self._break(f"{name} was formatted anew: {thing.filesystem} became {filesystem}")
        thing.filesystem = filesystem

    def read(self, name: str, thing: Thing, blocks: Mapping[int, str]) -> None:
        """Blocks were read; what they hold is certain from now on."""
        self.checks += 1
        for block in thing.content.keys() | blocks.keys():
            allowed = thing.content.get(block, frozenset({EMPTY}))
            found = blocks.get(block, EMPTY)
            if found in allowed:
                thing.content[block] = frozenset({found})
            else:
                wanted = " or ".join(sorted(repr(one) for one in allowed))
                self._break(f"{name}, block {block}: {found!r} was read where {wanted} has to be")

    # The device

    def settled(self) -> dict[str, tuple[int, State]]:
        """Return volumes of which it is certain whether they are there, to compare later."""
        certain = {State.THERE, State.GONE}
        return {
            name: (thing.changes, thing.state)
            for name, thing in self.volumes.items()
            if thing.state in certain
        }

    def compare(self, before: Mapping[str, tuple[int, State]], sizes: Mapping[str, int]) -> None:
        """Compare the device's volumes with what is certain.

        Args:
            before: what `settled` said before the device was asked; what changed meanwhile is left
                out.
            sizes: in bytes, by name.
        """
        self.checks += 1
        for name, (changes, state) in before.items():
            thing = self.volumes[name]
            if thing.changes != changes:
                continue
            if state is State.THERE and name not in sizes:
                self._break(f"{name} is promised and not on the device")
            elif state is State.GONE and name in sizes:
                self._break(f"{name} was deleted and is on the device")

    def overdue(self, found: Collection[str], now: float, grace: float) -> list[str]:
        """Return what was left behind longer ago than the grace period, and is on the device."""
        things = self.volumes | self.snapshots
        return [
            name
            for name, thing in things.items()
            if thing.state is State.LEFT and name in found and thing.since < now - grace
        ]

    def compare_all(
        self, sizes: Mapping[str, int], snapshots: Mapping[str, int], now: float, grace: float
    ) -> None:
        """Compare all that the device has with all that was promised, when nothing is open."""
        for what, known, found in (
            ("volume", self.volumes, sizes),
            ("snapshot", self.snapshots, snapshots),
        ):
            self.checks += 1
            for name, count in found.items():
                self._compare_found(f"{what} {name}", known.get(name), count, now - grace)
            for name, thing in known.items():
                if thing.state is State.THERE and name not in found:
                    self._break(f"{what} {name} is promised and not on the device")
                if thing.state in {State.ASKED, State.GOING}:
                    self._break(f"{what} {name} is still {thing.state.value} at the end")

    def _compare_found(self, name: str, thing: Thing | None, size: int, oldest: float) -> None:
        if thing is None:
            self._break(f"{name} is on the device and nobody asked for it")
        elif thing.state is State.GONE:
            self._break(f"{name} was deleted and is on the device")
        elif thing.state is State.LEFT and thing.since < oldest:
            self._break(f"{name} was left behind and is on the device beyond the grace period")
        elif thing.state is State.THERE and size < thing.size:
            self._break(f"{name} has {size} bytes where {thing.size} are promised")


def _list(nodes: set[str]) -> str:
    return " and ".join(sorted(nodes))
