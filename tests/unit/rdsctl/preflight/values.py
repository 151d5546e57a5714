"""A volume, its disk and a device that fit, and what is said where something does not."""

from collections.abc import Iterable

from libs.core.paths import DevicePath
from libs.core.size import GIB, TIB
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, Release, Storage, SystemInfo
from rdsctl.preflight.checks import check
from rdsctl.preflight.model import (
    Cluster,
    Device,
    Finding,
    Level,
    Plan,
    Volume,
)

PREFIX = "nqn.2000-02.com.mikrotik"
PLAN = Plan("rds.csi.srvlab.io", (PREFIX,))
BASE = DevicePath("/raid10/volumes")
CURRENT = Release(7, 24)
NAME = "pvc-00000000-0000-4000-8000-000000000001"


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


def lines(findings: Iterable[Finding]) -> list[str]:
    """Return all of each finding, on a line."""
    return [
        f"{one.check}: {one.level.value}: {one.text}"
        + (f" | do: {one.remedy}" if one.remedy else "")
        + (f" | of: {', '.join(one.names)}" if one.names else "")
        for one in findings
    ]


def told(
    check_name: str, cluster: Cluster | None, found: Device | None = None, plan: Plan = PLAN
) -> list[str]:
    """Return all that one check says, without its name."""
    return [
        line.removeprefix(f"{check_name}: ")
        for line in lines(check(cluster, found, plan))
        if line.startswith(f"{check_name}: ")
    ]
