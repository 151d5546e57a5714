"""Plans under all states and interruptions: they settle, stay in their bounds, and resume."""

from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import Conflict, Exhausted, InUse, NotFound, Unreachable
from libs.core.ids import VolumeId
from libs.core.paths import DevicePath
from libs.core.size import GIB, TIB, CapacityRange
from libs.rdsclient.model import BackingFile, DiskSpec, Export, FileDisk, Pool, SlotState
from services.controller.plan.steps import CreateDisk, GrowDisk, Plan, RemoveDisk, Step
from services.controller.plan.volumes import Room, plan_create, plan_delete, plan_expand
from services.controller.requests.volumes import parse_create
from tests.unit.controller.values import (
    BASE,
    NAME,
    OTHER_BASE,
    OTHER_POOL,
    SITES,
    TERMS,
    create_request,
    disk,
)

VOLUME = VolumeId.parse(NAME)
BASES = (BASE, OTHER_BASE)
IMAGE = BASE.image_of(VOLUME.slot)
WANTED = parse_create(create_request(), SITES)[1]


@dataclass
class World:
    """What one slot of a device does with each step: the rules of the device, in miniature."""

    disk: FileDisk | None
    files: tuple[str, ...]
    free: int

    def see(self) -> SlotState:
        pool = Pool("raid10", TIB, self.free)
        files = tuple(map(BackingFile, self.files))
        return SlotState(VOLUME.slot, self.disk, files, pools=(pool, OTHER_POOL))

    def _admits(self, spec: DiskSpec) -> bool:
        return not self.disk and spec.path.text not in self.files and self.free >= spec.size

    def apply(self, step: Step) -> SlotState:
        match step:
            case CreateDisk(spec) if self._admits(spec):
                self.disk = FileDisk(
                    NAME, spec.path.text, spec.size, Export(spec.nqn.text, spec.port)
                )
                self.files = (*self.files, spec.path.text)
                self.free -= spec.size
            case GrowDisk(_, size, _, _) if self.disk and self.disk.size < size:
                self.free -= size - self.disk.size
                self.disk = replace(self.disk, size=size)
            case RemoveDisk(_, path, _, _):
                if self.disk and self.disk.path == path.text:
                    self.disk = None
                if not (self.disk and self.disk.path == path.text):
                    self.files = tuple(file for file in self.files if file != path.text)
            case _:
                pass
        return self.see()


places = st.sampled_from([IMAGE.text, OTHER_BASE.image_of(VOLUME.slot).text, f"/x/{NAME}.img"])
worlds = st.builds(
    World,
    st.none()
    | st.builds(disk, st.sampled_from([GIB, 2 * GIB]), exported=st.booleans(), path=places),
    st.lists(places, unique=True).map(tuple),
    st.sampled_from([0, GIB, 10 * GIB]),
)
plans: st.SearchStrategy[Plan] = st.sampled_from(
    [
        partial(plan_create, WANTED, Room()),
        partial(plan_delete, VOLUME, ()),
        partial(plan_expand, VOLUME, CapacityRange(2 * GIB), Room()),
    ]
)
FAMILIES = (Conflict, Exhausted, InUse, NotFound, Unreachable)


@given(worlds, plans)
def test_a_plan_ends_and_a_second_look_finds_nothing_left(world: World, plan: Plan) -> None:
    seen = None
    for _ in range(5):
        try:
            steps = plan(TERMS, seen)
        except FAMILIES:
            return
        if not steps:
            assert plan(TERMS, world.see()) == ()
            return
        for step in steps:
            seen = world.apply(step)
    pytest.fail(f"did not settle: {world}")


@given(worlds, plans)
def test_no_step_touches_a_file_outside_the_allowed_directories(world: World, plan: Plan) -> None:
    foreign = [file for file in world.files if file.startswith("/x/")]
    seen = None
    for _ in range(5):
        try:
            steps = plan(TERMS, seen)
        except FAMILIES:
            break
        for step in steps:
            assert not isinstance(step, RemoveDisk) or step.path.parent in BASES
            seen = world.apply(step)

    assert [file for file in world.files if file.startswith("/x/")] == foreign


@given(worlds, st.integers(0, 3))
def test_a_deletion_that_is_cut_anywhere_ends_the_same_when_called_again(
    world: World, cut: int
) -> None:
    def run(limit: int) -> str:
        seen, applied = None, 0
        while True:
            try:
                steps = plan_delete(VOLUME, (), TERMS, seen)
            except InUse:
                return "refused"
            if not steps:
                return "done"
            for step in steps:
                if applied == limit:
                    return "cut"
                seen, applied = world.apply(step), applied + 1

    run(cut)

    if run(99) == "done":
        assert world.disk is None
        assert not [file for file in world.files if DevicePath.parse(file).parent in BASES]
