"""A model of a host with a disk, just large enough to carry out the steps of the plan on it."""

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from libs.core.errors import RdsCsiError
from libs.nvmeof.fsplan import Probe
from libs.nvmeof.model import BlockDevice, Connection, LinkState
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.superblock import Superblock
from services.node.plan import stage as steps
from services.node.plan.stage import Place, Seen, Step, next_step
from services.node.volume import Record
from tests.unit.node.values import DEVICES, NQN, OURS, SIZE, STAGING, mount_at, mounts_at, records

_KINDS = {"ext4": "ext", "ext3": "ext", "xfs": "xfs", "btrfs": "btrfs"}
MOST_STEPS = 30


@dataclass
class World:
    """A host, a disk, and what the node knows.

    Attributes:
        record: what is wanted.
        state: of the connection; None without one.
        device: the disk, as the kernel has it now.
        size: what the disk really has.
        content: the filesystem on it; empty for nothing.
        filled: bytes that the filesystem uses.
        unfinished: mkfs has not come to its end.
        mounts: what is mounted where.
        nodes: device nodes.
        broken: the filesystem at the staging path gives errors.
        done: what has been done in this run.
    """

    record: Record
    state: LinkState | None
    device: BlockDevice | None
    size: int
    content: str
    filled: int
    mounts: dict[str, Mount]
    broken: bool
    nodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    unfinished: bool = False
    done: Seen = field(default_factory=lambda: Seen(None))

    def see(self) -> Seen:
        """Return what there is, as the node would see it."""
        connection = None
        if self.state is not None:
            connection = Connection(NQN.text, self.state, self.device)
        of_device = [] if self.device is None else self._points_of(self.device)
        return replace(
            self.done,
            connection=connection,
            mount=None if self.record.use.is_block else self.mounts.get(STAGING),
            answers=not self.broken,
            elsewhere=tuple(point for point in of_device if point not in self.record.paths),
            places=tuple(
                Place(each, self.mounts.get(each.path), self.nodes.get(each.path))
                for each in self.record.publications
            ),
        )

    def _points_of(self, device: BlockDevice) -> list[str]:
        found = self.mounts.items()
        return [point for point, mount in found if mount.is_on(device.path, device.number)]

    def probe(self) -> Probe:
        """Return what reading the disk gives."""
        superblock = None
        if self.content in _KINDS:
            superblock = Superblock(_KINDS[self.content], OURS, self.filled, self.unfinished)
        blkid = 0 if self.content else 2
        size = self.device.size if self.device else 0
        return Probe(NQN.text, size, True, blkid, self.content, "", superblock)  # noqa: FBT003 (readable)

    def apply(self, step: Step) -> None:
        """Carry out a step."""
        use = self.record.use
        if isinstance(step, steps.Connect):
            self._connect()
            return
        if isinstance(step, steps.Clear):
            for path in step.paths:
                del self.mounts[path]
            self.broken = self.broken and STAGING in self.mounts
            return
        if isinstance(step, steps.Bind):
            path, read_only = step.publication.path, step.publication.read_only or use.is_read_only
            shown = replace(self.mounts[STAGING], point=path)
            self.mounts[path] = replace(shown, options=frozenset({"ro" if read_only else "rw"}))
            return
        assert self.device is not None
        self._apply_to(step, self.device)

    def _connect(self) -> None:
        old = self.device.number if self.device else DEVICES[1].number
        if self.state is LinkState.DEAD or self.device is None:
            new = next(device for device in DEVICES if device.number != old)
            self.device = replace(new, size=self.size)
        self.state = LinkState.LIVE
        self.done = replace(self.done, probe=None)

    def _apply_to(self, step: Step, device: BlockDevice) -> None:
        use = self.record.use
        match step:
            case steps.Rescan():
                self.device = replace(device, size=self.size)
                self.done = replace(self.done, rescanned=True)
            case steps.Look():
                claimed = bool(self._points_of(device))
                self.done = replace(self.done, probe=self.probe(), claimed=claimed)
            case steps.Erase():
                assert self.unfinished
                self.content, self.unfinished = "", False
                self.done = replace(self.done, probe=None)
            case steps.Format():
                assert not self.content, "there was something on it"
                self.begin_to_format()
                self.filled, self.unfinished = device.size, False
                self.content = use.fs_type
                self.done = replace(self.done, probe=None, checked=True)
            case steps.Check():
                assert not self._points_of(device), "it is mounted"
                self.done = replace(self.done, checked=True, probe=None)
            case steps.MountStaging():
                assert STAGING not in self.mounts
                stopped = any(
                    self.mounts[point].has_turned_read_only for point in self._points_of(device)
                )
                self.mounts[STAGING] = mount_at(
                    STAGING,
                    device,
                    fs_type=self.content,
                    read_only=use.is_read_only,
                    stopped=stopped,
                )
                self.broken = False
            case steps.Grow():
                self.filled = device.size
                self.done = replace(self.done, grown=True)
            case steps.MakeNode(publication):
                self.nodes[publication.path] = device.number

    def begin_to_format(self) -> None:
        """Be cut off while mkfs runs; only XFS leaves something that can be seen."""
        self.record = replace(self.record, begun=OURS)
        if self.record.use.fs_type == "xfs":
            self.content, self.unfinished, self.filled = "xfs", True, self.size

    def start_anew(self) -> None:
        """Forget what only the run knew, as a plugin that was killed."""
        self.done = Seen(None)

    @property
    def end(self) -> object:
        """What is compared of two worlds."""
        return (self.device, self.content, self.filled, self.unfinished, self.mounts, self.nodes)


def run(world: World, cut: int = -1) -> tuple[list[Step], str]:
    """Go on until nothing is left to do or there is a refusal, whose kind is returned.

    Args:
        world: where.
        cut: the step in which the plugin is killed and started anew.
    """
    taken: list[Step] = []
    while len(taken) < MOST_STEPS:
        try:
            step = next_step(world.record, world.see())
        except RdsCsiError as error:
            return taken, type(error).__name__
        if step is None:
            return taken, ""
        if len(taken) == cut and isinstance(step, steps.Format):
            world.begin_to_format()
        else:
            world.apply(step)
        if len(taken) == cut:
            world.start_anew()
        taken.append(step)
    return taken, "endless"


def _mounts(record: Record) -> st.SearchStrategy[dict[str, Mount]]:
    points = () if record.use.is_block else record.paths
    found = st.fixed_dictionaries({}, optional={point: mounts_at(point) for point in points})
    return found.map(_as_a_kernel_has_them)


def _as_a_kernel_has_them(mounts: dict[str, Mount]) -> dict[str, Mount]:
    """Give all mounts of a device the options of its one superblock, which they share."""
    of_devices: dict[tuple[int, int], frozenset[str]] = {}
    return {
        point: replace(
            mount, super_options=of_devices.setdefault(mount.device, mount.super_options)
        )
        for point, mount in mounts.items()
    }


def _worlds_for(record: Record) -> st.SearchStrategy[World]:
    sizes = (SIZE, SIZE // 2)
    kernels = st.sampled_from([replace(device, size=size) for device in DEVICES for size in sizes])
    return st.builds(
        World,
        st.just(record),
        st.none() | st.sampled_from(LinkState),
        st.none() | kernels,
        st.sampled_from([SIZE, SIZE, 2 * SIZE, SIZE // 2]),
        st.sampled_from(["", "", record.use.fs_type, record.use.fs_type, "ext4", "LVM2_member"]),
        st.sampled_from([SIZE // 4, SIZE]),
        _mounts(record),
        st.booleans(),
    )


worlds = records.flatmap(_worlds_for)
