"""What follows from what was read."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from libs.core.paths import DevicePath
from libs.core.size import GIB, TIB
from libs.core.volumes import CLASS_KEYS
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, Release, Storage, SystemInfo
from rdsctl.preflight.checks import check, settings_for
from rdsctl.preflight.cluster_checks import OUR_NAMES, OURS
from rdsctl.preflight.model import (
    Attachment,
    Cluster,
    CsiDriver,
    Device,
    Level,
    NodeInfo,
    Plan,
    StorageClass,
    Volume,
    Workload,
)
from rdsctl.preflight.objects import read_driver
from rdsctl.preflight.view import document, is_ready, render
from rdsctl.words import clean

BASE_MANIFESTS = Path(__file__).parents[4] / "k8s" / "base"
PREFIX = "nqn.2000-02.com.mikrotik"
PLAN = Plan("rds.csi.srvlab.io", (PREFIX,))
BASE = DevicePath("/raid10/volumes")
CURRENT = Release(7, 24)
NAME = "pvc-00000000-0000-4000-8000-000000000001"

names = st.uuids().map(lambda value: f"pvc-{value}")
texts = st.text(max_size=20)
maps = st.dictionaries(st.sampled_from([*CLASS_KEYS, "nqn", "odd"]) | texts, texts, max_size=6)


def volume(name: str = NAME, **changes: object) -> Volume:
    context = {
        "rdsAddress": "192.0.2.10",
        "nvmeAddress": "198.51.100.10",
        "nvmePort": "4420",
        "nqn": f"{PREFIX}:{name}",
        "volumePath": f"{BASE}/{name}.img",
        "ctrlLossTmo": "-1",
        "reconnectDelay": "5",
        "keepAliveTmo": "0",
        "migrationTimeoutSeconds": "300",
    }
    given = {"name": name, "handle": name, "context": context, "fs_type": "ext4", "size": GIB}
    return Volume(**(given | changes))  # type: ignore[arg-type]


def disk(name: str = NAME, **changes: object) -> FileDisk:
    path = f"{BASE}/{name}.img"
    given = {"slot": name, "path": path, "size": GIB, "export": Export(f"{PREFIX}:{name}", 4420)}
    return FileDisk(**(given | changes))  # type: ignore[arg-type]


def device(*disks: FileDisk, release: Release = CURRENT, **changes: object) -> Device:
    files = tuple(BackingFile(one.path, one.size) for one in disks)
    storage = Storage(disks, files, (Pool("raid10", 16 * TIB, 14 * TIB, "xfs", "clean"),))
    system = SystemInfo(release, str(release), "RDS2216")
    given = {"bases": (BASE,), "directories": (BASE,), "storage": storage}
    return Device("192.0.2.10:22", "rds-csi", "rds", system, **(given | changes))  # type: ignore[arg-type]


def said(cluster: Cluster | None, found: Device | None = None, plan: Plan = PLAN) -> set[str]:
    """Return what is not well, as the check and its level."""
    findings = check(cluster, found, plan)
    return {f"{one.check}: {one.level.value}" for one in findings if one.level is not Level.OK}


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


def held(*nodes: str, going: bool = False) -> tuple[Attachment, ...]:
    return tuple(Attachment(f"csi-{node}", NAME, node, is_going=going) for node in nodes)


@pytest.mark.parametrize(
    ("modes", "level"),
    [
        (("ReadWriteOnce",), {"attachments: blocker"}),
        (("ReadWriteMany",), {"attachments: warning"}),
        (("ReadOnlyMany",), set()),
    ],
)
def test_a_volume_on_two_nodes_is_told_unless_it_is_read_only(
    modes: tuple[str, ...], level: set[str]
) -> None:
    cluster = Cluster(
        volumes=(volume(is_block=True, access_modes=modes),),
        attachments=held("alpha", "beta"),
        nodes=(NodeInfo("alpha", driver_id="alpha"), NodeInfo("beta", driver_id="beta")),
    )

    assert said(cluster) == level


@pytest.mark.parametrize(
    ("node", "level"),
    [
        (NodeInfo("alpha", "6.1.0", driver_id="alpha"), set()),
        (NodeInfo("alpha", "6.1.0", driver_id="other"), {"nodes: warning"}),
        (NodeInfo("alpha", "6.1.0"), {"nodes: warning"}),
        (NodeInfo("alpha", "4.19.0", driver_id="alpha"), {"nodes: blocker"}),
        (NodeInfo("alpha", driver_id="alpha", is_ready=False), {"nodes: warning"}),
    ],
)
def test_a_node_on_which_the_plugin_cannot_be_replaced_well_is_told(
    node: NodeInfo, level: set[str]
) -> None:
    cluster = Cluster(volumes=(volume(),), attachments=held("alpha"), nodes=(node,))

    assert said(cluster) == level


def test_an_attachment_that_is_between_two_states_is_told() -> None:
    cluster = Cluster(volumes=(volume(),), attachments=held("alpha", going=True))

    assert "attachments: warning" in said(cluster)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (None, set()),
        (OURS, set()),
        (CsiDriver(pod_info=True), set()),
        (CsiDriver(attach_required=False), {"csidriver: blocker"}),
        (CsiDriver(modes=("Persistent", "Ephemeral")), {"csidriver: blocker"}),
    ],
)
def test_a_driver_object_is_compared_in_what_cannot_be_changed(
    driver: CsiDriver | None, expected: set[str]
) -> None:
    assert said(Cluster(driver=driver)) == expected


def test_a_cluster_that_the_sidecars_do_not_run_on_is_a_blocker() -> None:
    assert said(Cluster(serves_attributes_classes=False)) == {"kubernetes: blocker"}


def test_two_controllers_of_one_name_at_once_are_a_blocker() -> None:
    old = Workload("Deployment", "storage", "old")
    new = Workload("Deployment", "rds-csi", "rds-csi-controller", is_ours=True)

    assert said(Cluster(workloads=(old, new))) == {"workloads: blocker"}


def test_an_old_controller_that_is_scaled_to_nothing_is_in_nobodys_way() -> None:
    old = Workload("Deployment", "storage", "old", replicas=0)
    new = Workload("Deployment", "rds-csi", "rds-csi-controller", is_ours=True)

    assert said(Cluster(workloads=(old, new))) == set()


def test_an_old_controller_that_removes_orphans_is_warned_of() -> None:
    arguments = ("-enable-orphan-reconciler", "-orphan-dry-run=false")
    old = Workload("Deployment", "storage", "old", arguments=arguments)

    assert said(Cluster(workloads=(old,))) == {"workloads: warning"}


@pytest.mark.parametrize(
    "parameters",
    [{"unknown": "1"}, {"nvmePort": "0"}, {"fsType": "ntfs"}, {"volumePath": "relative"}],
)
def test_a_class_that_the_controller_would_refuse_is_told(parameters: dict[str, str]) -> None:
    cluster = Cluster(classes=(StorageClass("rds", parameters),))

    assert said(cluster) == {"storage-classes: warning"}


def test_a_class_whose_directory_may_not_be_used_is_told() -> None:
    plan = Plan(PLAN.driver, PLAN.prefixes, (BASE,))
    cluster = Cluster(classes=(StorageClass("rds", {"volumePath": "/raid10/other"}),))

    assert said(cluster, plan=plan) == {"storage-classes: warning"}


def test_the_driver_object_that_is_compared_with_is_the_one_that_is_shipped() -> None:
    shipped = yaml.safe_load((BASE_MANIFESTS / "csidriver.yaml").read_text())

    assert read_driver(shipped) == OURS


def test_the_names_that_are_looked_for_are_those_that_are_shipped() -> None:
    shipped = {
        (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
        for file in ("controller.yaml", "node.yaml")
        for item in yaml.safe_load_all((BASE_MANIFESTS / file).read_text())
        if item and item["kind"] in {"Deployment", "DaemonSet"}
    }

    assert shipped >= OUR_NAMES
