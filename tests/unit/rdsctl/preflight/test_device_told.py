"""All that is said of a device, word for word."""

from dataclasses import replace

import pytest

from libs.core.paths import DevicePath
from libs.core.size import GIB, TIB
from libs.rdsclient.model import BackingFile, Pool, Release, Storage, SystemInfo
from rdsctl.preflight.checks import check
from rdsctl.preflight.device_checks import SPARE_POLICIES
from rdsctl.preflight.model import Device
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, device, disk, lines, told

SETUP = "k8s/device/setup.rsc sets the user up as it should be"


def test_a_device_that_fits_is_told_check_by_check() -> None:
    found = device(disk(), policies=("write", "read", "ssh", "test"), sessions=18)

    assert lines(check(None, found, PLAN)) == [
        "device: ok: 192.0.2.10:22 is rds, RDS2216, RouterOS 7.24; its host key is the pinned one",
        "device-user: ok: rds-csi has the policies that the driver needs: read, ssh, test, write",
        "device-sessions: ok: 18 SSH sessions are enough for two controllers",
        "directories: ok: /raid10/volumes is on xfs raid10, 14 TiB of 16 TiB free",
        (
            "mount-filesystem: ok: RouterOS leaves the filesystems of volumes alone "
            "(mount-filesystem=no)"
        ),
    ]


def test_a_device_that_shows_nothing_is_told_check_by_check() -> None:
    system = SystemInfo(Release(7, 23), "7.23 (stable)")
    found = Device("192.0.2.10:22", "rds-csi", "", system, mounting=None)

    assert lines(check(None, found, PLAN)) == [
        (
            "device: ok: 192.0.2.10:22 is the device, board unknown, RouterOS 7.23 (stable); its "
            "host key is the pinned one"
        ),
        (
            "device-user: ok: rds-csi may log in and read; what else it may is not shown to it"
            f" | do: {SETUP}"
        ),
        (
            "device-sessions: ok: how many SSH sessions there may be is not shown; RouterOS has 20 "
            "by default"
        ),
        (
            "directories: warning: no directory for volumes is known, so files were not looked at"
            " | do: give --volume-base-paths"
        ),
        (
            "mount-filesystem: ok: whether RouterOS mounts filesystems of volumes by itself is not "
            "shown"
        ),
    ]


def test_policies_not_told_and_directories_not_found_are_what_is_usual() -> None:
    system = SystemInfo(Release(7, 24), "7.24")

    assert Device("a", "u", "n", system) == Device(
        "a", "u", "n", system, (), (), Storage(), mounting=(), policies=None, sessions=None
    )


@pytest.mark.parametrize(
    ("release", "said"),
    [
        (
            Release(7, 22),
            [
                (
                    "warning: RouterOS 7.22 has no /file/copy: no snapshots and clones but those "
                    "of layout=subvolume | do: upgrade to 7.23 if you want them"
                )
            ],
        ),
        (
            Release(7, 17),
            [
                (
                    "blocker: RouterOS 7.17 exports volumes under their bare names: nodes refuse "
                    "what is no NQN | do: upgrade the device to 7.21 or newer"
                ),
                (
                    "warning: RouterOS 7.17 has no /file/copy: no snapshots and clones"
                    " | do: upgrade to 7.23 if you want them"
                ),
            ],
        ),
    ],
)
def test_an_older_release_is_told_with_what_it_cannot_do(release: Release, said: list[str]) -> None:
    assert told("device", None, device(release=release))[1:] == said


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (("read",), [f"blocker: rds-csi lacks the policies ssh, write | do: {SETUP}"]),
        (
            ("ssh", "read", "write", "web", "api"),
            [f"warning: rds-csi may do more than the driver needs: api, web | do: {SETUP}"],
        ),
        (
            ("ssh", "write", "reboot"),
            [
                f"blocker: rds-csi lacks the policies read | do: {SETUP}",
                f"warning: rds-csi may do more than the driver needs: reboot | do: {SETUP}",
            ],
        ),
    ],
)
def test_what_the_user_lacks_and_does_not_need_is_told(
    policies: tuple[str, ...], said: list[str]
) -> None:
    assert told("device-user", None, device(policies=policies)) == said


def test_the_policies_that_are_too_many_are_those_that_change_or_show_what_is_not_ours() -> None:
    assert sorted(SPARE_POLICIES) == ["api", "policy", "reboot", "sensitive", "web", "winbox"]


def test_one_session_too_few_is_told() -> None:
    assert told("device-sessions", None, device(sessions=17)) == [
        (
            "warning: there may be 17 SSH sessions, and each of two controllers takes 8"
            " | do: /ip/service/set ssh max-sessions=20, or a smaller --rds-max-sessions"
        )
    ]


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        (
            (),
            (
                "blocker: /raid10/volumes: no pool is mounted as raid10 (mounted: none)"
                " | do: mount it, or correct --volume-base-paths"
            ),
        ),
        (
            (Pool("b", TIB, TIB), Pool("a", TIB, TIB)),
            (
                "blocker: /raid10/volumes: no pool is mounted as raid10 (mounted: a, b)"
                " | do: mount it, or correct --volume-base-paths"
            ),
        ),
        (
            (Pool("raid10", 100 * GIB, 5 * GIB),),
            "ok: /raid10/volumes is on a filesystem raid10, 5 GiB of 100 GiB free",
        ),
        (
            (Pool("raid10", 100 * GIB, 4 * GIB, "btrfs"),),
            "warning: /raid10/volumes is on btrfs raid10, with little room: 4 GiB of 100 GiB free",
        ),
        (
            (Pool("raid10", 100 * GIB, 4 * GIB, "xfs", "degraded"),),
            (
                "warning: /raid10/volumes is on xfs raid10, which is degraded"
                " | do: see to the array first"
            ),
        ),
    ],
)
def test_a_directory_is_told_with_its_pool(pools: tuple[Pool, ...], said: str) -> None:
    assert told("directories", None, device(storage=Storage(pools=pools))) == [said]


@pytest.mark.parametrize(
    ("directories", "paths", "is_there"),
    [
        ((BASE,), [], True),
        ((), [f"{BASE}/x.img"], True),
        ((), [f"{BASE}-old/x.img", f"/other{BASE}/"], False),
        ((DevicePath("/raid10"),), [], False),
    ],
)
def test_a_directory_is_there_where_it_is_shown_or_holds_a_file(
    *, directories: tuple[DevicePath, ...], paths: list[str], is_there: bool
) -> None:
    pool = Pool("raid10", TIB, TIB, "xfs")
    of_files = Storage((), tuple(BackingFile(path) for path in paths), (pool,))
    of_disks = Storage(tuple(replace(disk(), path=path) for path in paths), (), (pool,))
    missing = (
        "warning: /raid10/volumes on xfs raid10 holds no file and is not shown as a directory"
        " | do: k8s/device/setup.rsc makes it"
    )

    said = [
        told("directories", None, device(directories=directories, storage=storage))
        for storage in (of_files, of_disks)
    ]

    assert [missing not in lines for lines in said] == [is_there, is_there]
    assert {lines[-1] for lines in said} == {
        "ok: /raid10/volumes is on xfs raid10, 1 TiB of 1 TiB free"
    }


@pytest.mark.parametrize(
    ("slots", "subject"),
    [((NAME, "somebody-elses"), "1 disk has"), ((NAME, f"{NAME[:-1]}2"), "2 disks have")],
)
def test_disks_that_routeros_may_mount_are_told_with_their_slots(
    slots: tuple[str, ...], subject: str
) -> None:
    ours = ", ".join(slot for slot in slots if slot.startswith("pvc-"))

    assert told("mount-filesystem", None, device(mounting=slots)) == [
        (
            f"warning: {subject} mount-filesystem=yes, so RouterOS may mount the filesystem that a "
            "node has mounted over NVMe/TCP; two mounts at once can destroy it"
            ' | do: /disk/set [find slot="NAME"] mount-filesystem=no, best while no pod uses the '
            "volume"
            f" | of: {ours}"
        )
    ]
