"""The device's verbs, over real SSH: on the simulator in every form that it can take, and on a real
device where the environment names one (see docs/testing.md)."""

import asyncio
import contextlib

from libs.core.errors import Conflict, Exhausted
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient.model import DiskSpec, Export
from tests.contract.under import SIZE, Under


async def test_the_release_and_the_name_of_the_device_are_read(under: Under) -> None:
    system = await under.rds.read_system()

    assert system.version.startswith(str(system.release))
    assert await under.rds.read_identity()


async def test_a_disk_is_what_was_asked_for_and_costs_one_round_trip(under: Under) -> None:
    spec = under.spec("a", port=4421)
    features = await under.rds.read_features()
    before = under.rds.round_trips

    state = await under.rds.ensure_disk(spec)

    nqn = spec.nqn.text if features.nqn else spec.slot.text
    assert under.rds.round_trips == before + 1
    assert state.disk is not None
    assert (state.disk.size, state.disk.path) == (SIZE, spec.path.text)
    assert state.disk.export == Export(nqn, 4421)
    assert [file.path for file in state.files] == [spec.path.text]
    assert state.pool is not None


async def test_making_it_again_changes_nothing(under: Under) -> None:
    first = await under.rds.ensure_disk(under.spec("a"))

    again = await under.rds.ensure_disk(under.spec("a", size=2 * SIZE))

    assert again.disk == first.disk


async def test_the_listing_has_every_disk_of_the_prefix_and_no_other(under: Under) -> None:
    names = ["a", "b.c", "b_d", "x" * 60]
    for name in names:
        await under.rds.ensure_disk(under.spec(name))

    listed = await under.rds.list_disks((under.prefix,))
    none = await under.rds.list_disks((f"{under.prefix}none",))

    assert sorted(disk.slot for disk in listed) == sorted(under.slot(n).text for n in names)
    assert none == ()


async def test_a_dot_in_a_name_is_a_dot_and_nothing_else(under: Under) -> None:
    await under.rds.ensure_disk(under.spec("bxc"))

    state = await under.rds.read_slot(under.slot("b.c"))

    assert (state.disk, state.files, state.users) == (None, (), ())


async def test_a_disk_grows_and_does_not_shrink(under: Under) -> None:
    await under.rds.ensure_disk(under.spec("a"))

    for size, expected in ((3 * SIZE, 3 * SIZE), (SIZE, 3 * SIZE)):
        state = await under.rds.ensure_size(under.slot("a"), size, 2 * SIZE, under.base.pool)
        assert state.disk is not None
        assert state.disk.size == expected


async def test_an_export_is_switched_restricted_and_protected(under: Under) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)
    host = "nqn.2014-08.org.nvmexpress:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

    off = await under.rds.ensure_export(spec.slot, exported=False)
    on = await under.rds.ensure_export(spec.slot, exported=True)
    restricted = await under.rds.ensure_allowed_host(spec.slot, host)
    protected = await under.rds.ensure_password(spec.slot, Secret('s"e$c;r}e]t'))
    lifted = await under.rds.ensure_allowed_host(spec.slot, "")

    exports = [s.disk.export for s in (off, on, restricted, protected, lifted) if s.disk]
    assert exports[0] is None
    assert [export.allowed_host for export in exports[1:] if export] == ["", host, host, ""]


async def test_a_removal_takes_the_file_too_in_one_round_trip_and_can_be_repeated(
    under: Under,
) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)
    before = under.rds.round_trips

    state = await under.rds.ensure_absent(spec.slot, spec.path)
    again = await under.rds.ensure_absent(spec.slot, spec.path)

    assert under.rds.round_trips == before + 2
    assert (state.disk, state.files) == (again.disk, again.files) == (None, ())


async def test_a_removal_with_another_path_removes_nothing(under: Under) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)
    elsewhere = DevicePath.parse(f"{under.base}/elsewhere").image_of(spec.slot)

    state = await under.rds.ensure_absent(spec.slot, elsewhere)

    assert state.disk is not None
    assert [file.path for file in state.files] == [spec.path.text]


async def test_a_pool_says_what_it_has_and_one_that_is_not_there_is_none(under: Under) -> None:
    pool = await under.rds.read_pool(under.base.pool)

    assert pool is not None
    assert 0 < pool.free <= pool.size
    assert await under.rds.read_pool("no-such-pool") is None


async def test_nothing_is_made_where_there_is_no_room(under: Under) -> None:
    spec = under.spec("a", size=2**50)

    with contextlib.suppress(Exhausted):
        state = await under.rds.ensure_disk(spec)
        assert state.disk is None

    state = await under.rds.read_slot(spec.slot)
    assert (state.disk, state.files) == (None, ())


async def test_many_at_once_get_each_its_own_answer(under: Under) -> None:
    specs = [under.spec(f"m{i}", size=SIZE + i * 4096) for i in range(40)]

    states = await asyncio.gather(*(under.rds.ensure_disk(spec) for spec in specs))

    for spec, state in zip(specs, states, strict=True):
        assert state.disk is not None
        assert (state.disk.slot, state.disk.size) == (spec.slot.text, spec.size)


async def test_one_that_fails_among_many_fails_alone(under: Under) -> None:
    taken = under.spec("taken")
    await under.rds.ensure_disk(taken)
    specs = [under.spec(f"m{i}") for i in range(40)]
    features = await under.rds.read_features()
    if features.nqn:
        specs[20] = DiskSpec(specs[20].slot, specs[20].path, SIZE, taken.nqn, 4420)

    answers = await asyncio.gather(
        *(under.rds.ensure_disk(spec) for spec in specs), return_exceptions=True
    )

    failed = [i for i, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == ([20] if features.nqn else [])
    assert all(isinstance(answers[i], Conflict) for i in failed)


async def test_the_traffic_of_a_disk_is_read(under: Under) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)

    (traffic,) = await under.rds.read_traffic([spec.slot.text])

    assert traffic.slot == spec.slot.text
    assert traffic.read_ops is not None
    assert traffic.write_bytes is not None


async def test_a_disk_that_is_not_there_does_not_hide_the_traffic_of_those_that_are(
    under: Under,
) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)

    found = await under.rds.read_traffic(["rdscsitest-none", spec.slot.text])

    assert [traffic.slot for traffic in found] == [spec.slot.text]


async def test_the_health_of_pools_is_read_in_one_round_trip(under: Under) -> None:
    await under.rds.read_features()
    before = under.rds.round_trips

    disks = await under.rds.read_disk_health()

    assert under.rds.round_trips == before + 1
    assert [disk.slot for disk in disks if disk.mount_point and disk.size]
    assert all(disk.kind != "file" for disk in disks)
