"""What the new driver would meet on a device. Pure."""

from collections.abc import Collection

from libs.core.errors import InvalidRequest
from libs.core.ids import VolumeId
from libs.core.paths import DevicePath
from libs.core.size import format_bytes
from libs.rdsclient.model import Release
from rdsctl.preflight.model import Device
from rdsctl.preflight.notes import Notes
from rdsctl.words import plural

CHOSEN_NQN = Release(7, 21)
"""The first release on which an export's NQN can be chosen (console schema)."""

NEEDED_POLICIES = ("ssh", "read", "write")
"""What the user must be allowed (RouterOS manual, User: policies)."""

SPARE_POLICIES = frozenset({"policy", "sensitive", "reboot", "web", "winbox", "api"})
"""What the user has no need of."""

ENOUGH_SESSIONS = 18
"""SSH sessions: 8 for each of two controllers (`--rds-max-sessions`), and two for people."""

_LITTLE_ROOM = 0.05


def check_release(device: Device, notes: Notes) -> None:
    """Say what the release can do."""
    notes.begin("device")
    system, features = device.system, device.system.features
    what = f"{device.name or 'the device'}, {system.board or 'board unknown'}"
    notes.ok(
        f"{device.address} is {what}, RouterOS {system.version}; its host key is the pinned one"
    )
    if not features.nqn:
        notes.block(
            f"RouterOS {system.version} exports volumes under their bare names: nodes refuse what "
            "is no NQN",
            f"upgrade the device to {CHOSEN_NQN} or newer",
        )
    if not features.file_copy:
        subvolumes = " but those of layout=subvolume" if features.subvolumes else ""
        notes.warn(
            f"RouterOS {system.version} has no /file/copy: no snapshots and clones{subvolumes}",
            "upgrade to 7.23 if you want them",
        )


def check_user(device: Device, notes: Notes) -> None:
    """Say whether the user may do what the driver does, and not much more."""
    notes.begin("device-user")
    setup = "k8s/device/setup.rsc sets the user up as it should be"
    if device.policies is None:
        notes.ok(f"{device.user} may log in and read; what else it may is not shown to it", setup)
        return
    missing = [one for one in NEEDED_POLICIES if one not in device.policies]
    spare = sorted(SPARE_POLICIES & set(device.policies))
    if missing:
        notes.block(f"{device.user} lacks the policies {', '.join(missing)}", setup)
    if spare:
        notes.warn(f"{device.user} may do more than the driver needs: {', '.join(spare)}", setup)
    if not missing and not spare:
        notes.ok(
            f"{device.user} has the policies that the driver needs: {_listed(device.policies)}"
        )


def _listed(policies: Collection[str]) -> str:
    return ", ".join(sorted(policies))


def check_sessions(device: Device, notes: Notes) -> None:
    """Say whether two controllers find room to log in."""
    notes.begin("device-sessions")
    if device.sessions is None:
        notes.ok("how many SSH sessions there may be is not shown; RouterOS has 20 by default")
    elif device.sessions < ENOUGH_SESSIONS:
        notes.warn(
            f"there may be {device.sessions} SSH sessions, and each of two controllers takes 8",
            "/ip/service/set ssh max-sessions=20, or a smaller --rds-max-sessions",
        )
    else:
        notes.ok(f"{device.sessions} SSH sessions are enough for two controllers")


def check_directories(device: Device, notes: Notes) -> None:
    """Say whether volumes have a place, and how much room it has."""
    notes.begin("directories")
    pools = {pool.mount_point: pool for pool in device.storage.pools}
    if not device.bases:
        notes.warn(
            "no directory for volumes is known, so files were not looked at",
            "give --volume-base-paths",
        )
    for base in device.bases:
        pool = pools.get(base.pool)
        if pool is None:
            known = ", ".join(sorted(pools)) or "none"
            notes.block(
                f"{base}: no pool is mounted as {base.pool} (mounted: {known})",
                "mount it, or correct --volume-base-paths",
            )
            continue
        room = f"{format_bytes(pool.free)} of {format_bytes(pool.size)} free"
        kind = f"{pool.filesystem or 'a filesystem'} {base.pool}"
        if not _is_there(base, device):
            notes.warn(
                f"{base} on {kind} holds no file and is not shown as a directory",
                "k8s/device/setup.rsc makes it",
            )
        if not pool.is_sound:
            notes.warn(f"{base} is on {kind}, which is {pool.state}", "see to the array first")
        elif pool.free < pool.size * _LITTLE_ROOM:
            notes.warn(f"{base} is on {kind}, with little room: {room}")
        else:
            notes.ok(f"{base} is on {kind}, {room}")


def _is_there(base: DevicePath, device: Device) -> bool:
    below = f"{base}/"
    storage = device.storage
    paths = (*(disk.path for disk in storage.disks), *(file.path for file in storage.files))
    return base in device.directories or any(path.startswith(below) for path in paths)


def check_mounting(device: Device, notes: Notes) -> None:
    """Say which disks RouterOS itself may mount while a node uses them."""
    notes.begin("mount-filesystem")
    if device.mounting is None:
        notes.ok("whether RouterOS mounts filesystems of volumes by itself is not shown")
        return
    slots = [slot for slot in device.mounting if is_ours(slot)]
    if slots:
        notes.warn(
            f"{plural(len(slots), 'disk')} {'has' if len(slots) == 1 else 'have'} "
            "mount-filesystem=yes, so RouterOS may mount the filesystem that a node has mounted "
            "over NVMe/TCP; two mounts at once can destroy it",
            '/disk/set [find slot="NAME"] mount-filesystem=no, best while no pod uses the volume',
            slots,
        )
    else:
        notes.ok("RouterOS leaves the filesystems of volumes alone (mount-filesystem=no)")


def is_ours(slot: str) -> bool:
    """Whether a disk in this slot is one that the driver would take for its own."""
    try:
        return VolumeId.parse(slot).is_managed
    except InvalidRequest:
        return False
