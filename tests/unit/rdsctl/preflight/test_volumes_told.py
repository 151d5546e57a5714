"""All that is said of PersistentVolumes and StorageClasses, word for word."""

from dataclasses import replace

import pytest

from libs.core.paths import DevicePath
from libs.core.volumes import CLASS_KEYS
from rdsctl.preflight.model import Cluster, StorageClass, Volume
from rdsctl.preflight.volumes import directories_of, prefix_remedy, unmanaged_prefix
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, PREFIX, told, volume

KEEP = "keep this volume with the old driver, or copy its data into a new one"
LOOKED_AT = "ok: 1 PersistentVolume looked at; none is changed by moving"
TAKEN = "IDs, contexts, filesystems and mount options are taken as they are"


@pytest.mark.parametrize(
    ("volumes", "said"),
    [
        ((), "ok: no PersistentVolume is of rds.csi.srvlab.io"),
        ((volume(),), f"ok: 1 PersistentVolume: {TAKEN}"),
        ((volume(fs_type=""), volume("pv")), f"ok: 2 PersistentVolumes: {TAKEN}"),
    ],
)
def test_volumes_that_are_taken_as_they_are_are_counted(
    volumes: tuple[Volume, ...], said: str
) -> None:
    well = tuple(replace(one, handle=NAME) for one in volumes)

    assert told("volumes", Cluster(volumes=well)) == [said]


def refused(wrong: Volume) -> str:
    (said, last) = told("volumes", Cluster(volumes=(wrong,)))
    assert last == LOOKED_AT
    assert said.endswith(f" | of: {wrong.name}")
    return said.removesuffix(f" | of: {wrong.name}")


@pytest.mark.parametrize(
    ("changes", "begins", "remedy"),
    [
        ({"handle": "a b"}, "blocker: volumeHandle ", KEEP),
        (
            {"handle": "disk-1"},
            "blocker: volumeHandle 'disk-1' is none of this driver's: it would refuse it",
            KEEP,
        ),
        (
            {"fs_type": "ntfs"},
            "blocker: fsType must be one of ext4, ",
            "no node would mount it: keep it with the old driver",
        ),
        (
            {"access_modes": ("ReadWriteOnce", "ReadWriteMany")},
            "blocker: a filesystem with ReadWriteMany is refused: two nodes would destroy it",
            "move the data into a ReadWriteOnce volume, or use volumeMode: Block",
        ),
        (
            {"mount_options": ("ro", "rw")},
            "blocker: mountOptions has both ro and rw",
            "no node would mount it: edit the PersistentVolume",
        ),
        (
            {"context": {"nqn": "not one"}},
            "blocker: volumeAttributes.nqn must be ",
            "see the NQN that the device exports it under",
        ),
        (
            {"context": {"nqn": f"nqn.2024-01.org.other:pool:{NAME}"}},
            (
                "blocker: its NQN begins with nqn.2024-01.org.other:pool, none of "
                "--managed-nqn-prefixes: nodes would refuse it"
            ),
            (
                "run the node plugin, and this check, with --managed-nqn-prefixes="
                f"{PREFIX},nqn.2024-01.org.other:pool"
            ),
        ),
        (
            {"context": {"reconnectDelay": "0"}},
            "blocker: volumeAttributes.reconnectDelay must be a whole number of seconds from 1 to ",
            "nodes would refuse it: a volume cannot be given other ones",
        ),
        (
            {"context": {"ctrlLossTmo": "600"}},
            "warning: ctrlLossTmo is 600: while the device is away for longer, I/O fails",
            'a VolumeAttributesClass with ctrlLossTmo: "-1" changes it for attachments to come',
        ),
    ],
)
def test_what_nodes_would_refuse_of_a_volume_is_told_with_what_to_do(
    changes: dict[str, object], begins: str, remedy: str
) -> None:
    said = refused(replace(volume(), **changes))  # type: ignore[arg-type]

    assert said.startswith(begins)
    assert said.endswith(f" | do: {remedy}")


def test_a_raw_block_device_has_no_filesystem_to_be_refused() -> None:
    raw = volume(is_block=True, fs_type="ntfs", access_modes=("ReadWriteMany",))

    assert told("volumes", Cluster(volumes=(raw,))) == [f"ok: 1 PersistentVolume: {TAKEN}"]


@pytest.mark.parametrize(
    ("nqn", "prefix"),
    [
        (f"{PREFIX}:{NAME}", ""),
        (f"{PREFIX}:", ""),
        (PREFIX, PREFIX),
        (f"{PREFIX}.more:{NAME}", f"{PREFIX}.more"),
        ("nqn.2024-01.org.other:b", ""),
        ("nqn.2024-01.org:a:b", "nqn.2024-01.org:a"),
    ],
)
def test_an_nqn_is_the_nodes_to_touch_where_it_goes_on_after_a_prefix(
    nqn: str, prefix: str
) -> None:
    plan = replace(PLAN, prefixes=(PREFIX, "nqn.2024-01.org.other"))

    assert unmanaged_prefix(nqn, plan) == prefix


def test_a_prefix_that_is_missing_is_added_to_those_that_there_are() -> None:
    plan = replace(PLAN, prefixes=("a", "b"))

    assert prefix_remedy("c", plan)[1].endswith(" with --managed-nqn-prefixes=a,b,c")


# Classes

NAMED_ANEW = "make a StorageClass of another name; parameters of one cannot be changed"
REFUSED = "new volumes of it would be refused; those that exist are not touched"


@pytest.mark.parametrize(
    ("given", "told_of"),
    [
        ({"nvmeAddress": "a b"}, "parameters.nvmeAddress"),
        ({"rdsAddress": "a b"}, "parameters.rdsAddress"),
        ({"nvmePort": "0"}, "parameters.nvmePort"),
        ({"sshPort": "0"}, "parameters.sshPort"),
        ({"rdsPort": "0"}, "parameters.rdsPort"),
        ({"nqnPrefix": "x"}, "parameters.nqnPrefix"),
        ({"mkfsOptions": "-F"}, "parameters.mkfsOptions"),
        ({"migrationTimeoutSeconds": "29"}, "parameters.migrationTimeoutSeconds"),
        ({"migrationTimeoutSeconds": "3601"}, "parameters.migrationTimeoutSeconds"),
        ({"volumePath": "x"}, "parameters.volumePath"),
        ({"rdsBasePath": "x"}, "parameters.rdsBasePath"),
        ({"layout": "x"}, "parameters.layout must be one of file, subvolume, not 'x'"),
        ({"fencing": "x"}, "parameters.fencing must be one of off, host, not 'x'"),
        ({"auth": "x"}, "parameters.auth must be one of off, dhchap, not 'x'"),
        ({"fsType": "ntfs"}, "parameters.fsType must be one of ext4"),
        ({"csi.storage.k8s.io/fstype": "ntfs"}, "parameters.fsType must be one of ext4"),
        ({"keepAliveTmo": "-1"}, "parameters.keepAliveTmo"),
        ({"b": "", "a.csi.storage.k8s.io/": ""}, "parameters has unknown keys 'a.csi.storage"),
        ({"b": "", "a": ""}, "parameters has unknown keys 'a', 'b': "),
    ],
)
def test_a_parameter_that_would_be_refused_is_told_by_its_name(
    given: dict[str, str], told_of: str
) -> None:
    (said,) = told("storage-classes", Cluster(classes=(StorageClass("fast", given),)))

    assert said.startswith(f"warning: {told_of}")
    assert said.endswith(f": {REFUSED} | do: {NAMED_ANEW} | of: fast")


def test_mount_options_of_a_class_that_would_be_refused_are_told() -> None:
    one = StorageClass("fast", mount_options=("ro", "rw"))

    assert told("storage-classes", Cluster(classes=(one,))) == [
        f"warning: mountOptions has both ro and rw: {REFUSED} | do: {NAMED_ANEW} | of: fast"
    ]


WHOLE = {
    "rds": "main",
    "volumePath": "/raid10/volumes",
    "nvmeAddress": "198.51.100.10",
    "nvmePort": "4420",
    "nqnPrefix": PREFIX,
    "fsType": "xfs",
    "mkfsOptions": "-m 1",
    "ctrlLossTmo": "-1",
    "reconnectDelay": "5",
    "keepAliveTmo": "0",
    "migrationTimeoutSeconds": "30",
    "layout": "subvolume",
    "fencing": "host",
    "auth": "dhchap",
    "rdsAddress": "192.0.2.10",
    "sshPort": "22",
    "rdsPort": "22",
    "rdsBasePath": "/raid10/volumes",
}


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ((), []),
        ((WHOLE,), ["ok: 1 StorageClass: all parameters are known"]),
        (
            (
                {"csi.storage.k8s.io/fstype": "xfs", "fencing": "off", "auth": "off"},
                {"migrationTimeoutSeconds": "3600"},
            ),
            ["ok: 2 StorageClasses: all parameters are known"],
        ),
        (
            ({"fsType": "btrfs", "csi.storage.k8s.io/fstype": "ntfs"},),
            ["ok: 1 StorageClass: all parameters are known"],
        ),
    ],
)
def test_classes_whose_parameters_are_known_are_counted(
    classes: tuple[dict[str, str], ...], said: list[str]
) -> None:
    several = tuple(StorageClass("fast", given) for given in classes)

    assert told("storage-classes", Cluster(classes=several)) == said


def test_all_parameters_that_there_are_have_been_looked_at() -> None:
    assert WHOLE.keys() == set(CLASS_KEYS)


@pytest.mark.parametrize(
    ("bases", "given", "is_told"),
    [
        ((), "/raid10/volumes", False),
        ((BASE,), "/raid10/volumes", False),
        ((BASE,), "/raid10/volumes/", False),
        ((BASE,), "", False),
        ((DevicePath("/raid10"),), "/raid10/volumes", True),
    ],
)
def test_a_class_makes_volumes_only_where_the_controller_may(
    *, bases: tuple[DevicePath, ...], given: str, is_told: bool
) -> None:
    classes = (
        StorageClass("fast", {"volumePath": given} if given else {}),
        StorageClass("older", {"rdsBasePath": given} if given else {}),
    )
    said = (
        "warning: its directory /raid10/volumes is none of --volume-base-paths: no new volumes of "
        "it | do: add /raid10/volumes to --volume-base-paths | of: fast, older"
    )

    every = told("storage-classes", Cluster(classes=classes), plan=replace(PLAN, bases=bases))

    warnings = [line for line in every if line.startswith("warning: ")]
    assert warnings == ([said] if is_told else [])


def test_directories_are_those_of_volumes_and_of_classes_each_once() -> None:
    cluster = Cluster(
        volumes=(volume(), volume(context={}), volume(context={"volumePath": "/raid10/x"})),
        classes=(
            StorageClass("a", {"volumePath": "/raid10/b"}),
            StorageClass("b", {"rdsBasePath": "/raid10/a"}),
            StorageClass("c", {"volumePath": str(BASE)}),
            StorageClass("d", {"volumePath": "relative"}),
            StorageClass("e"),
        ),
    )

    assert [path.text for path in directories_of(cluster)] == [
        "/raid10/a",
        "/raid10/b",
        "/raid10/volumes",
    ]
