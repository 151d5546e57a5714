"""What preflight says where nothing is wrong, and where just one thing is."""

from dataclasses import replace

import pytest

from libs.rdsclient.model import BackingFile
from rdsctl.blocks import Line, Tone
from rdsctl.preflight.checks import check, settings_for
from rdsctl.preflight.device_checks import is_ours
from rdsctl.preflight.model import Cluster, Finding, Level, NodeInfo, Workload
from rdsctl.preflight.view import render
from rdsctl.preflight.volumes import directories_of
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, device, disk, said, volume


@pytest.mark.parametrize(
    ("slot", "is_so"), [(NAME, True), ("vm-storage-001", False), ("a b", False), ("", False)]
)
def test_only_a_slot_that_the_driver_would_choose_is_its_own(
    slot: str,
    is_so: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert is_ours(slot) is is_so


def test_a_device_with_nothing_to_spare_is_said_to_have_no_orphans() -> None:
    findings = check(Cluster(volumes=(volume(),)), device(disk()), PLAN)

    (orphans,) = (one for one in findings if one.check == "orphans")
    assert orphans.level is Level.OK


def test_a_node_whose_name_is_no_node_id_is_in_the_way() -> None:
    assert "nodes: blocker" in said(Cluster(nodes=(NodeInfo("node 1"),)))


def test_a_node_of_another_system_is_none_of_the_drivers() -> None:
    assert "nodes: blocker" not in said(Cluster(nodes=(NodeInfo("node 1", os="windows"),)))


def test_what_is_found_without_a_device_or_without_a_cluster_fits_that_side_alone() -> None:
    of_device = settings_for(None, device(disk()), PLAN)
    of_cluster = settings_for(Cluster(volumes=(volume(),)), None, PLAN)

    assert "nvme-address" not in of_device
    assert of_device["rds-address"] == "192.0.2.10"
    assert "rds-address" not in of_cluster
    assert of_cluster["volume-base-paths"] == of_device["volume-base-paths"]
    assert "volume-base-paths" not in settings_for(None, None, PLAN)


@pytest.mark.parametrize(
    ("old", "told"),
    [
        (Workload("DaemonSet", "storage", "old"), set()),
        (Workload("DaemonSet", "storage", "old", host_network=False), {"workloads: blocker"}),
        (Workload("Deployment", "rds-csi", "rds-csi-controller"), {"workloads: warning"}),
        (Workload("DaemonSet", "rds-csi", "rds-csi-node"), {"workloads: warning"}),
    ],
)
def test_what_runs_now_is_in_the_way_where_its_network_or_its_name_is(
    old: Workload, told: set[str]
) -> None:
    assert said(Cluster(workloads=(old,))) == told


def test_a_daemon_set_of_the_same_name_is_deleted_without_its_pods() -> None:
    old = Workload("DaemonSet", "rds-csi", "rds-csi-node")

    findings = check(Cluster(workloads=(old,)), None, PLAN)

    assert any("--cascade=orphan" in one.remedy for one in findings)


def test_a_volume_without_a_disk_is_in_the_way_beside_one_that_has_one() -> None:
    other = NAME.replace("1", "2")
    cluster = Cluster(volumes=(volume(), volume(other)))

    assert "disks: blocker" in said(cluster, device(disk()))


def test_a_file_that_no_disk_uses_would_be_an_orphan() -> None:
    there = device(disk())
    left = BackingFile(f"{BASE}/{NAME.replace('1', '2')}.img", 1)
    storage = replace(there.storage, files=(*there.storage.files, left))

    assert "orphans: warning" in said(Cluster(volumes=(volume(),)), replace(there, storage=storage))


def test_a_directory_that_is_not_shown_may_not_be_there() -> None:
    assert "directories: warning" in said(Cluster(), device(directories=()))


def test_a_directory_of_which_no_volume_could_be_is_not_proposed() -> None:
    odd = volume(context={"volumePath": f"/raid10/a b/{NAME}.img"})

    assert directories_of(Cluster(volumes=(odd,))) == ()


@pytest.mark.parametrize(
    ("levels", "unreached", "verdict", "tone"),
    [
        ([], [], "All is ready:", Tone.GOOD),
        ([Level.WARNING], [], "Nothing is in the way:", Tone.WARN),
        ([Level.BLOCKER, Level.WARNING], [], "Do not move yet:", Tone.BAD),
        ([], ["the device"], "Not everything was looked at:", Tone.BAD),
    ],
)
def test_the_last_line_says_whether_to_move(
    levels: list[Level], unreached: list[str], verdict: str, tone: Tone
) -> None:
    findings = [Finding(level, "check", "text") for level in levels]

    last = render(findings, {}, unreached, wide=False)[-1]

    assert isinstance(last, Line)
    assert last.text.startswith(verdict)
    assert last.tone is tone
