"""What follows from volumes and from the device, as they were read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.size import GIB, TIB
from libs.core.volumes import CLASS_KEYS
from libs.rdsclient.model import Export, FileDisk, Pool, Release, Storage
from rdsctl.preflight.checks import check, settings_for
from rdsctl.preflight.model import (
    Attachment,
    Cluster,
    CsiDriver,
    Level,
    NodeInfo,
    Plan,
    StorageClass,
    Volume,
)
from rdsctl.preflight.view import document, is_ready, render
from rdsctl.words import clean
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, PREFIX, device, disk, said, volume

names = st.uuids().map(lambda value: f"pvc-{value}")
texts = st.text(max_size=20)
maps = st.dictionaries(st.sampled_from([*CLASS_KEYS, "nqn", "odd"]) | texts, texts, max_size=6)


@given(chosen=st.sets(names, max_size=5), is_block=st.booleans())
def test_volumes_as_the_existing_driver_makes_them_are_never_in_the_way(
    *, chosen: set[str], is_block: bool
) -> None:
    modes = ("ReadWriteMany",) if is_block else ("ReadWriteOnce",)
    volumes = tuple(volume(name, is_block=is_block, access_modes=modes) for name in chosen)

    assert said(Cluster(volumes=volumes), device(*map(disk, chosen))) == set()


volumes = st.builds(
    Volume,
    name=texts,
    handle=texts | names,
    context=maps,
    fs_type=texts,
    is_block=st.booleans(),
    access_modes=st.lists(texts, max_size=2).map(tuple),
    mount_options=st.lists(texts, max_size=2).map(tuple),
    size=st.none() | st.integers(0, TIB),
)
clusters = st.builds(
    Cluster,
    version=texts,
    driver=st.none() | st.builds(CsiDriver, st.booleans(), st.booleans(), texts),
    volumes=st.lists(volumes, max_size=3).map(tuple),
    attachments=st.lists(
        st.builds(Attachment, texts, texts, texts, st.booleans(), st.booleans()), max_size=3
    ).map(tuple),
    classes=st.lists(st.builds(StorageClass, texts, maps), max_size=2).map(tuple),
    nodes=st.lists(st.builds(NodeInfo, texts, texts, texts, texts), max_size=2).map(tuple),
    snapshots=st.none() | st.lists(texts, max_size=2).map(tuple),
    unread=st.lists(texts, max_size=1).map(tuple),
)


@given(cluster=clusters, chosen=st.lists(names, max_size=2, unique=True), wide=st.booleans())
def test_whatever_was_read_something_can_be_said_of_it(
    *, cluster: Cluster, chosen: list[str], wide: bool
) -> None:
    found = device(*map(disk, chosen))
    findings = check(cluster, found, PLAN)
    settings = settings_for(cluster, found, PLAN)

    assert render(findings, settings, (), wide=wide)
    assert json.loads(json.dumps(document(findings, settings, ())))["settings"] == settings
    assert all(one.text and clean(one.text) == one.text for one in findings)
    assert all(one.remedy for one in findings if one.level is Level.BLOCKER)
    assert is_ready(findings, ()) == (Level.BLOCKER not in {one.level for one in findings})


@pytest.mark.parametrize(
    ("wrong", "level"),
    [
        (volume(handle="a b"), "blocker"),
        (volume(handle="disk-1"), "blocker"),
        (volume(fs_type="ntfs"), "blocker"),
        (volume(access_modes=("ReadWriteMany",)), "blocker"),
        (volume(mount_options=("bind",)), "blocker"),
        (volume(context={"nqn": "not one"}), "blocker"),
        (volume(context={"nqn": f"nqn.2024-01.org.other:{NAME}"}), "blocker"),
        (volume(context={"reconnectDelay": "0"}), "blocker"),
        (volume(context={"ctrlLossTmo": "600"}), "warning"),
    ],
)
def test_a_volume_that_nodes_would_refuse_is_told(wrong: Volume, level: str) -> None:
    assert said(Cluster(volumes=(wrong,))) == {f"volumes: {level}"}


def test_an_nqn_of_another_prefix_is_well_where_nodes_are_told_of_it() -> None:
    other = "nqn.2024-01.org.other"
    plan = Plan(PLAN.driver, (PREFIX, other))

    assert said(Cluster(volumes=(volume(context={"nqn": f"{other}:{NAME}"}),)), plan=plan) == set()


def test_the_same_trouble_of_many_volumes_is_said_once() -> None:
    many = tuple(volume(f"{NAME[:-2]}{i}", fs_type="ntfs") for i in range(10, 30))

    (found,) = (f for f in check(Cluster(volumes=many), None, PLAN) if f.level is Level.BLOCKER)

    assert len(found.names) == 20


@pytest.mark.parametrize(
    ("there", "level"),
    [
        (disk(export=None), "blocker"),
        (disk(export=Export(NAME, 4420)), "blocker"),
        (disk(export=Export(f"{PREFIX}:other", 4420)), "warning"),
        (disk(export=Export(f"{PREFIX}:{NAME}", 4421)), "warning"),
        (disk(size=GIB - 1), "warning"),
        (disk(path=f"{BASE}/other.img"), "blocker"),
        (disk(path=f"/raid10/other/{NAME}.img"), "blocker"),
    ],
)
def test_a_disk_that_is_not_what_its_volume_says_is_told(there: FileDisk, level: str) -> None:
    found = said(Cluster(volumes=(volume(),)), device(there))

    assert f"disks: {level}" in found


def test_a_disk_without_its_file_is_a_blocker() -> None:
    storage = Storage((disk(),), (), (Pool("raid10", TIB, TIB),))

    assert said(Cluster(volumes=(volume(),)), device(storage=storage)) == {"disks: blocker"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"policies": ("ssh", "read", "write", "test")}, set()),
        ({"policies": ("ssh", "read")}, {"device-user: blocker"}),
        ({"policies": ("ssh", "read", "write", "policy")}, {"device-user: warning"}),
        ({"sessions": 20}, set()),
        ({"sessions": 8}, {"device-sessions: warning"}),
        ({"release": Release(7, 22)}, {"device: warning"}),
        ({"release": Release(7, 20)}, {"device: blocker", "device: warning"}),
        ({"bases": ()}, {"directories: warning"}),
        ({"mounting": (NAME,)}, {"mount-filesystem: warning"}),
        ({"mounting": ("somebody-elses",)}, set()),
        ({"mounting": None}, set()),
    ],
)
def test_a_device_that_does_not_fit_is_told(changes: dict[str, object], expected: set[str]) -> None:
    assert said(None, device(**changes)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (Pool("raid10", TIB, TIB, "xfs", "degraded"), {"directories: warning"}),
        (Pool("raid10", TIB, GIB, "xfs", "clean"), {"directories: warning"}),
        (Pool("other", TIB, TIB), {"directories: blocker"}),
    ],
)
def test_a_pool_that_cannot_take_volumes_is_told(pool: Pool, expected: set[str]) -> None:
    assert said(None, device(storage=Storage(pools=(pool,)))) == expected
