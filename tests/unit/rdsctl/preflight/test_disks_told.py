"""All that is said of volumes beside their disks, word for word, and which settings fit both."""

from dataclasses import replace

import pytest

from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Export, FileDisk, Storage
from rdsctl.preflight.checks import settings_for
from rdsctl.preflight.model import Cluster, Plan, StorageClass, Volume
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, PREFIX, device, disk, told, volume

OTHER = f"{NAME[:-1]}2"
SEEN = "disk, file, size, export and NQN are as the PersistentVolumes say"
LOOK = " | do: see on the device what became of it, before anything is moved"
AS_THE_DEVICE = " | do: the new driver takes what the device says"
NOT_BY_THE_OLD = f"{AS_THE_DEVICE}, the existing one would not connect"
NOT_ITS_NAME = (
    "warning: its NQN does not end with its name: the new plugin cannot unstage what the old "
    "staged | do: drain the nodes that have it when their turn comes"
)
NOTHING_LEFT = "ok: nothing on the device would be taken for an orphan"


@pytest.mark.parametrize(
    ("volumes", "disks", "said"),
    [
        ((), (), []),
        ((), (disk(),), []),
        ((volume(),), (disk(),), [f"ok: 1 volume: {SEEN}"]),
        ((volume(context={}, size=None),), (disk(),), [f"ok: 1 volume: {SEEN}"]),
        ((volume(size=GIB - 1), volume(OTHER)), (disk(OTHER), disk()), [f"ok: 2 volumes: {SEEN}"]),
        (
            (volume(), volume(OTHER)),
            (disk(),),
            [f"blocker: there is no disk of it on the device{LOOK} | of: {OTHER}"],
        ),
        (
            (volume(), volume(OTHER)),
            (disk("somebody-elses"),),
            [
                (
                    "blocker: none of the 2 volumes is on 192.0.2.10:22"
                    " | do: is it the right device? see rdsAddress in the PersistentVolumes"
                )
            ],
        ),
    ],
)
def test_volumes_are_told_by_the_disks_that_there_are(
    volumes: tuple[Volume, ...], disks: tuple[FileDisk, ...], said: list[str]
) -> None:
    assert told("disks", Cluster(volumes=volumes), device(*disks)) == said


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (
            disk(export=None),
            [
                (
                    "blocker: the device does not export it, so no node could connect"
                    f' | do: /disk/set [find slot="{NAME}"] nvme-tcp-export=yes'
                )
            ],
        ),
        (
            disk(size=GIB - 1),
            [
                (
                    "warning: its disk is smaller than its PersistentVolume says | do: an "
                    "expansion may have been broken off; the new driver takes the size of the disk"
                )
            ],
        ),
        (
            disk(path=f"{BASE}/{OTHER}.img"),
            [
                (
                    f"blocker: its file {BASE}/{OTHER}.img is not named after it: the new driver "
                    "would not touch it | do: keep it with the old driver, or copy its data into a "
                    "new volume"
                ),
                f"warning: its file is not where its PersistentVolume says{AS_THE_DEVICE}",
            ],
        ),
        (
            disk(path=f"{BASE}/{NAME}"),
            [
                (
                    f"blocker: its file {BASE}/{NAME} is not named after it: the new driver would "
                    "not touch it | do: keep it with the old driver, or copy its data into a new "
                    "volume"
                ),
                f"warning: its file is not where its PersistentVolume says{AS_THE_DEVICE}",
            ],
        ),
        (
            disk(path=f"/raid10/x/{NAME}.img"),
            [
                (
                    "blocker: its file is in /raid10/x, which is none of --volume-base-paths"
                    " | do: add /raid10/x to --volume-base-paths, here and of the controller"
                ),
                f"warning: its file is not where its PersistentVolume says{AS_THE_DEVICE}",
            ],
        ),
        (
            disk(export=Export("nqn.2024-01.org.other:x", 4420)),
            [
                (
                    "blocker: its NQN begins with nqn.2024-01.org.other, none of "
                    "--managed-nqn-prefixes: nodes would refuse it | do: run the node plugin, and "
                    f"this check, with --managed-nqn-prefixes={PREFIX},nqn.2024-01.org.other"
                ),
                (
                    "warning: the device exports it under another NQN than its PersistentVolume has"
                    f"{NOT_BY_THE_OLD}"
                ),
            ],
        ),
        (
            disk(export=Export(f"{PREFIX}:x{NAME}", 4421)),
            [
                NOT_ITS_NAME,
                (
                    "warning: the device exports it under another NQN than its PersistentVolume has"
                    f"{NOT_BY_THE_OLD}"
                ),
                (
                    "warning: the device exports it on another port than its PersistentVolume has"
                    f"{NOT_BY_THE_OLD}"
                ),
            ],
        ),
    ],
)
def test_a_disk_is_told_with_all_that_is_not_as_its_volume_says(
    there: FileDisk, said: list[str]
) -> None:
    found = told("disks", Cluster(volumes=(volume(),)), device(there))

    assert found == [f"{line} | of: {NAME}" for line in said]


def test_a_file_that_is_missing_is_told() -> None:
    storage = Storage((disk(),), (BackingFile(f"{BASE}/{OTHER}.img"),))

    assert told("disks", Cluster(volumes=(volume(),)), device(storage=storage)) == [
        f"blocker: its disk is there, and its file is not{LOOK} | of: {NAME}"
    ]


def test_what_nothing_refers_to_is_told_unless_it_is_somebody_elses() -> None:
    strange = ("vm-1.img", "readme.txt", f"{OTHER}.1-2.of.{NAME}.img", f"{OTHER}.img")
    names = (*strange, f"{NAME[:-1]}3.img", f"{NAME}.img")
    files = tuple(BackingFile(f"{BASE}/{name}") for name in names)
    disks = (disk(), disk("somebody-elses"), disk(OTHER), disk(f"{NAME[:-1]}0"))
    remedy = " | do: nothing is removed by itself: rdsctl orphans lists them after the move"

    found = told("orphans", Cluster(volumes=(volume(),)), device(storage=Storage(disks, files)))

    assert found == [
        f"warning: 2 disks are of no PersistentVolume{remedy} | of: {NAME[:-1]}0, {OTHER}",
        f"warning: 1 file is of no disk{remedy} | of: {BASE}/{NAME[:-1]}3.img",
    ]


@pytest.mark.parametrize(
    ("disks", "files", "levels"),
    [
        ((), (), ["ok"]),
        ((disk("somebody-elses"),), (), ["ok"]),
        ((disk(),), (), ["warning"]),
        ((), (BackingFile(f"{BASE}/{NAME}.img"),), ["warning"]),
    ],
)
def test_that_nothing_would_be_an_orphan_is_said_where_it_is_so(
    disks: tuple[FileDisk, ...], files: tuple[BackingFile, ...], levels: list[str]
) -> None:
    said = told("orphans", Cluster(), device(storage=Storage(disks, files)))

    assert [line.partition(":")[0] for line in said] == levels
    assert (NOTHING_LEFT in said) is (levels == ["ok"])


# Settings


def classes(*addresses: str) -> tuple[StorageClass, ...]:
    return tuple(StorageClass(f"c{at}", {"nvmeAddress": at} if at else {}) for at in addresses)


@pytest.mark.parametrize(
    ("cluster", "found"),
    [
        (Cluster(), None),
        (
            Cluster(volumes=(volume(context={}),), classes=classes("", "198.51.100.1")),
            "198.51.100.1",
        ),
        (Cluster(volumes=(volume(),), classes=classes("198.51.100.10")), "198.51.100.10"),
        (Cluster(volumes=(volume(),)), "198.51.100.10"),
        (Cluster(volumes=(volume(),), classes=classes("198.51.100.1")), None),
        (Cluster(volumes=(volume(context={}),), classes=classes("")), None),
    ],
)
def test_the_address_of_storage_is_the_one_that_there_is(
    cluster: Cluster, found: str | None
) -> None:
    assert settings_for(cluster, None, PLAN).get("nvme-address") == found


def test_settings_that_fit_are_made_of_both_sides() -> None:
    plan = Plan("csi.example.org", ("nqn.a", "nqn.b"))
    there = volume(context={"volumePath": f"/raid10/b/{NAME}.img", "nvmeAddress": "198.51.100.1"})
    cluster = Cluster(volumes=(there,), classes=(StorageClass("c", {"volumePath": "/raid10/a"}),))
    found = replace(device(disk(), disk("x", path="/odd")), address="[2001:db8::1]:2222")

    both = settings_for(cluster, found, plan)
    chosen = settings_for(cluster, found, replace(plan, bases=(DevicePath("/raid10/chosen"),)))
    of_device = settings_for(None, found, plan)
    of_nothing = settings_for(None, None, plan)

    alone = {"driver-name": "csi.example.org", "managed-nqn-prefixes": "nqn.a,nqn.b"}
    login = {"rds-address": "[2001:db8::1]", "rds-user": "rds-csi"}
    address = {"nvme-address": "198.51.100.1"}
    assert both == alone | login | address | {"volume-base-paths": "/raid10/a,/raid10/b"}
    assert chosen == alone | login | address | {"volume-base-paths": "/raid10/chosen"}
    assert of_device == alone | login | {"volume-base-paths": str(BASE)}
    assert of_nothing == alone
    assert list(both) == sorted(both)
