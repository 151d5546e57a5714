"""The device's verbs, over real SSH: on the simulator in every form that it can take, and on a real
device where the environment names one (see docs/testing.md)."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from libs.core.errors import Conflict, Exhausted, Unsupported
from libs.core.ids import DevicePath, Nqn, Slot
from libs.core.secret import Secret
from libs.core.size import MIB
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.render import Console
from libs.mockrds.testing import PASSWORD, running_device
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.model import DiskSpec, Export

SIZE = 16 * MIB


@dataclass(frozen=True)
class Form:
    """A form that the device can take."""

    version: str = "7.24.4 (stable)"
    reply_form: Literal["auto", "json", "text"] = "auto"
    width: int = 0
    fold_inside: bool = False
    numbered: bool = True
    honest_status: bool = False
    device: dict[str, Any] = field(default_factory=dict)


FORMS = {
    "7.24": Form(),
    "7.24 status": Form(honest_status=True),
    "7.24 decimals": Form(device={"json_decimals": True}),
    "7.24 strict": Form(device={"strict_empty": True}),
    "7.24 text": Form(reply_form="text"),
    "7.24 text 80": Form(reply_form="text", width=80),
    "7.24 text 40": Form(reply_form="text", width=40),
    "7.24 text 80 folded": Form(reply_form="text", width=80, fold_inside=True),
    "7.24 text 50 folded": Form(reply_form="text", width=50, fold_inside=True, numbered=False),
    "7.24 text plain": Form(reply_form="text", width=80, numbered=False),
    "7.21": Form("7.21rc3"),
    "7.19": Form("7.19.6 (long-term)"),
    "7.17": Form("7.17 (stable)"),
    "7.17 text 60": Form("7.17 (stable)", reply_form="text", width=60, fold_inside=True),
}
if os.environ.get("RDS_TEST_HOST"):
    FORMS["real device"] = Form()


@dataclass
class Under:
    """A device under test: a client, and where it may make things."""

    rds: RdsClient
    base: DevicePath
    prefix: str
    password_of: Any = None

    def slot(self, name: str) -> Slot:
        return Slot.parse(f"{self.prefix}{name}")

    def spec(self, name: str, size: int = SIZE, port: int = 4420) -> DiskSpec:
        slot = self.slot(name)
        nqn = Nqn.parse(f"nqn.2000-02.com.mikrotik:{slot}")
        return DiskSpec(slot, self.base.image_of(slot), size, nqn, port)

    async def clean(self) -> None:
        for disk in await self.rds.list_disks((self.prefix,)):
            await self.rds.ensure_absent(Slot.parse(disk.slot), DevicePath.parse(disk.path))
        for file in await self.rds.list_files(self.base):
            if file.path.startswith(f"{self.base}/{self.prefix}"):
                await self.rds.ensure_file_absent(DevicePath.parse(file.path))


@contextlib.asynccontextmanager
async def simulated(form: Form) -> AsyncIterator[Under]:
    pools = [Pool("raid10", 64 * 2**30), Pool("tank", 64 * 2**30, "btrfs")]
    device = Device(pools, version=form.version, **form.device)
    async with running_device(device) as running:
        running.mock.style = Console(form.width, form.fold_inside, form.numbered)
        running.mock.honest_status = form.honest_status
        config = RdsConfig(
            running.host,
            running.port,
            host_key=running.host_key,
            password=Secret(PASSWORD),
            reply_form=form.reply_form,
        )
        async with open_rds(config) as rds:
            yield Under(rds, DevicePath.parse("/raid10/volumes"), "pvc-t-")


@contextlib.asynccontextmanager
async def real() -> AsyncIterator[Under]:
    key, password = os.environ.get("RDS_TEST_KEY_FILE"), os.environ.get("RDS_TEST_PASSWORD")
    config = RdsConfig(
        os.environ["RDS_TEST_HOST"],
        int(os.environ.get("RDS_TEST_PORT", "22")),
        user=os.environ.get("RDS_TEST_USER", "rds-csi"),
        host_key_file=Path(os.environ["RDS_TEST_HOST_KEY_FILE"]),
        key_file=Path(key) if key else None,
        password=Secret(password) if password else None,
    )
    async with open_rds(config) as rds:
        under = Under(
            rds,
            DevicePath.parse(os.environ["RDS_TEST_BASE_PATH"]),
            f"rdscsitest-{secrets.token_hex(4)}-",
        )
        try:
            yield under
        finally:
            await under.clean()


@pytest.fixture(params=FORMS)
async def under(request: pytest.FixtureRequest) -> AsyncIterator[Under]:
    opened = real() if request.param == "real device" else simulated(FORMS[request.param])
    async with opened as under:
        yield under


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

    state = await under.rds.read_slot(under.slot("b.c"), under.base.pool)

    assert (state.disk, state.files, state.users) == (None, (), ())


async def test_a_disk_grows_and_does_not_shrink(under: Under) -> None:
    await under.rds.ensure_disk(under.spec("a"))

    for size, expected in ((3 * SIZE, 3 * SIZE), (SIZE, 3 * SIZE)):
        state = await under.rds.ensure_size(under.slot("a"), size, 2 * SIZE, under.base.pool)
        assert state.disk is not None
        assert state.disk.size == expected


async def test_an_export_is_switched_restricted_and_protected(under: Under) -> None:
    spec, pool = under.spec("a"), under.base.pool
    await under.rds.ensure_disk(spec)
    host = "nqn.2014-08.org.nvmexpress:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

    off = await under.rds.ensure_export(spec.slot, pool, exported=False)
    on = await under.rds.ensure_export(spec.slot, pool, exported=True)
    restricted = await under.rds.ensure_allowed_host(spec.slot, pool, host)
    protected = await under.rds.ensure_password(spec.slot, pool, Secret('s"e$c;r}e]t'))
    lifted = await under.rds.ensure_allowed_host(spec.slot, pool, "")

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

    state = await under.rds.read_slot(spec.slot, under.base.pool)
    assert (state.disk, state.files) == (None, ())


async def test_files_are_listed_copied_where_that_can_be_and_removed(under: Under) -> None:
    spec, copy = under.spec("a"), under.base.image_of(under.slot("copy"))
    await under.rds.ensure_disk(spec)
    features = await under.rds.read_features()

    if not features.file_copy:
        with pytest.raises(Unsupported, match=r"7\.23"):
            await under.rds.ensure_copy(spec.path, copy)
        return
    both = await under.rds.ensure_copy(spec.path, copy)
    listed = await under.rds.list_files(under.base)
    kept = await under.rds.ensure_file_absent(spec.path)
    gone = await under.rds.ensure_file_absent(copy)

    assert {file.path for file in both} == {spec.path.text, copy.text}
    assert {spec.path.text, copy.text} <= {file.path for file in listed}
    assert [file.path for file in kept] == [spec.path.text]
    assert gone == ()


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


async def test_subvolumes_are_made_snapshotted_and_removed(under: Under) -> None:
    if under.prefix != "pvc-t-":
        pytest.skip("on a real device this needs a Btrfs pool of its own")
    features = await under.rds.read_features()
    if not features.subvolumes:
        with pytest.raises(Unsupported, match=r"7\.18"):
            await under.rds.list_subvolumes("tank", "volumes")
        return
    (made,) = await under.rds.ensure_subvolume("tank", "volumes/a")
    (snapshot,) = await under.rds.ensure_subvolume(
        "tank", "volumes/s", parent="volumes/a", frozen=True
    )
    (again,) = await under.rds.ensure_subvolume("tank", "volumes/a")
    listed = await under.rds.list_subvolumes("tank", "volumes")
    gone = await under.rds.ensure_subvolume_absent("tank", "volumes/a")

    assert made == again
    assert (snapshot.parent, snapshot.frozen) == ("volumes/a", True)
    assert sorted(sub.name for sub in listed) == ["volumes/a", "volumes/s"]
    assert gone == ()


async def test_the_traffic_of_a_disk_is_read(under: Under) -> None:
    spec = under.spec("a")
    await under.rds.ensure_disk(spec)

    traffic = await under.rds.read_traffic(spec.slot)

    assert traffic.read_ops is not None
    assert traffic.write_bits is not None
