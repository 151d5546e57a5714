"""Whatever is wrong with a request is said by field and rule, and the host never sees anything."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from structlog.testing import capture_logs

from libs.csikit.capability import Mode
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import error_of
from tests.component.node.rig import NAME, PREFIX, NodeRig, mounted, needs_mounts, raw

pytestmark = needs_mounts

Call = Callable[[NodeRig], Awaitable[object]]

PUBLISHED = {
    "nvme_address": "192.0.2.2",
    "nvme_port": "4420",
    "nvme_nqn": f"{PREFIX}:{NAME}",
    "fs_type": "ext4",
    "size_bytes": str(64 << 20),
}
SECRET = "DHHC-1:01:c2VjcmV0IHRoYXQgbXVzdCBuZXZlciBiZSBzZWVuIGluIGEgbG9n:"


def stage(published: dict[str, str] | None = None, **fields: Any) -> Call:
    """Return a call that stages; a key of the publish context is left out with an empty value."""
    context = {key: text for key, text in {**PUBLISHED, **(published or {})}.items() if text}
    return lambda rig: rig.stage(publish_context=context, **fields)


def publish(**fields: Any) -> Call:
    def call(rig: NodeRig) -> Awaitable[object]:
        request = csi.NodePublishVolumeRequest(
            **{
                "volume_id": NAME,
                "staging_target_path": str(rig.staging()),
                "target_path": str(rig.target()),
                "volume_capability": mounted(),
                **fields,
            }
        )
        return rig.node.node_publish_volume(request)

    return call


def unstage(path: str, volume: str = NAME) -> Call:
    request = csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=path)
    return lambda rig: rig.node.node_unstage_volume(request)


def unpublish(path: str, volume: str = NAME) -> Call:
    request = csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=path)
    return lambda rig: rig.node.node_unpublish_volume(request)


def stats(path: str, volume: str = NAME) -> Call:
    request = csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path=path)
    return lambda rig: rig.node.node_get_volume_stats(request)


def expand(path: str | None = None, volume: str = NAME, **fields: Any) -> Call:
    def call(rig: NodeRig) -> Awaitable[object]:
        where = str(rig.staging()) if path is None else path
        request = csi.NodeExpandVolumeRequest(volume_id=volume, volume_path=where, **fields)
        return rig.node.node_expand_volume(request)

    return call


def context(**fields: str) -> Call:
    return stage(volume_context=fields)


def flag(text: str) -> Call:
    return stage(volume_capability=mounted("ext4", text))


def snapshot(path: Path) -> list[tuple[str, int]]:
    """Return all that is below a directory, but for what the kubelet makes."""
    made = (each for each in path.rglob("*") if not each.name.endswith(".sock"))
    return sorted((str(each), each.lstat().st_mode) for each in made)


FLAGS = "volume_capability.mount.mount_flags"
BAD_FLAGS = [
    "bind",
    "remount",
    "loop=/dev/loop0",
    "move",
    "rshared",
    "subvol=/other",
    "X-mount.subdir=a",
    "helper=other",
    "ro,rw",
    "noatime,remount",
    "a b",
    "-o",
    "x;y",
    "a\nb",
]
BAD_MKFS = ["-F", "-qF", "--force", "-f", "'", "-E 'x y'", "$(id)", "-L a;b", "a" * 300]
RECONNECT = {
    "ctrl_loss_tmo": "ctrlLossTmo",
    "reconnect_delay": "reconnectDelay",
    "keep_alive_tmo": "keepAliveTmo",
}
BAD_VOLUMES = {"": "volume_id must not be empty", "../x": "volume_id", "a b": "volume_id"}
BAD_PATHS = {
    "": "must not be empty",
    "relative/path": "must be an absolute path",
    "/etc/passwd": "must lie below",
    "/": "must lie below",
    "{kubelet}": "must lie below",
    "{kubelet}-other/mount": "must lie below",
    "{kubelet}/pods/../../etc": "must be an absolute path without '..'",
    "{kubelet}/pods/out/mount": "must lie below",
    "{kubelet}/pods/a\nb": "must be a path",
    "{kubelet}/pods/a\x00b": "must be a path",
    "{kubelet}/pods/" + "a" * 5000: "must be a path",
}

CASES: dict[str, tuple[Call, str]] = {
    **{f"volume {bad!r}": (stage(volume_id=bad), text) for bad, text in BAD_VOLUMES.items()},
    "no capability": (publish(volume_capability=None), "volume_capability must be given"),
    "neither block nor mount": (
        stage(volume_capability=csi.VolumeCapability()),
        "volume_capability must have exactly one of block and mount",
    ),
    "unknown mode": (stage(volume_capability=raw(Mode.UNKNOWN)), "volume_capability.access_mode"),
    "filesystem for several writers": (
        stage(volume_capability=mounted(mode=Mode.MULTI_NODE_MULTI_WRITER)),
        "volume_capability.access_mode",
    ),
    "unknown filesystem": (
        stage(volume_capability=mounted("zfs")),
        "volume_capability.mount.fs_type must be one of",
    ),
    "group": (
        stage(
            volume_capability=csi.VolumeCapability(
                mount=csi.VolumeCapabilityMountVolume(fs_type="ext4", volume_mount_group="1000"),
                access_mode=mounted().access_mode,
            )
        ),
        "volume_capability.mount.volume_mount_group is not supported",
    ),
    **{f"flag {bad!r}": (flag(bad), FLAGS) for bad in BAD_FLAGS},
    **{
        f"publish with flag {bad!r}": (publish(volume_capability=mounted("ext4", bad)), FLAGS)
        for bad in BAD_FLAGS[:3]
    },
    **{
        f"mkfsOptions {bad!r}"[:40]: (context(mkfsOptions=bad), "volume_context.mkfsOptions")
        for bad in BAD_MKFS
    },
    "no nqn": (stage({"nvme_nqn": ""}), "publish_context.nvme_nqn must be given"),
    "no address": (stage({"nvme_address": ""}), "publish_context.nvme_address"),
    "an address with options": (
        stage({"nvme_address": "192.0.2.2,ctrl_loss_tmo=0"}),
        "publish_context.nvme_address",
    ),
    **{
        f"nqn {bad!r}": (stage({"nvme_nqn": bad}), "publish_context.nvme_nqn")
        for bad in ("x", f"{PREFIX}:a,b", f"{PREFIX}:" + "a" * 300)
    },
    "nqn of somebody else": (
        stage({"nvme_nqn": f"nqn.2014-08.org.nvmexpress:{NAME}"}),
        "publish_context.nvme_nqn must begin with",
    ),
    "nqn that only looks managed": (
        stage({"nvme_nqn": f"{PREFIX}.evil:{NAME}"}),
        "publish_context.nvme_nqn must begin with",
    ),
    **{
        f"port {bad!r}": (stage({"nvme_port": bad}), "publish_context.nvme_port")
        for bad in ("0", "65536", "-1", "x", "4420,nr_io_queues=1")
    },
    **{
        f"size {bad!r}": (stage({"size_bytes": bad}), "publish_context.size_bytes")
        for bad in ("0", "-1", "1e9", "64Mi", " 1", "9" * 19, "9" * 40)
    },
    **{
        f"{key} {bad!r}": (stage({key: bad}), f"{name} must be a whole number")
        for key, name in RECONNECT.items()
        for bad in ("x", "-2")
    },
    "a loss before the first try": (
        context(ctrlLossTmo="1", reconnectDelay="5"),
        "ctrlLossTmo (1) must not be below reconnectDelay",
    ),
    "no secret": (context(auth="dhchap"), "secrets.nvmeSecret must be given"),
    "a secret of another form": (
        stage(volume_context={"auth": "dhchap"}, secrets={"nvmeSecret": "hunter2"}),
        "secrets.nvmeSecret must be given",
    ),
    "negative size": (
        expand(capacity_range=csi.CapacityRange(required_bytes=-1)),
        "required_bytes must not be negative",
    ),
    "limit below size": (
        expand(capacity_range=csi.CapacityRange(required_bytes=2, limit_bytes=1)),
        "must not be above limit_bytes",
    ),
    "expand with an unknown mode": (
        expand(volume_capability=raw(Mode.UNKNOWN)),
        "volume_capability.access_mode",
    ),
}


async def check(rig: NodeRig, call: Call, words: str) -> None:
    """Check that a call is refused in these words, and that it has done nothing at all."""
    rig.image(64 << 20)
    rig.staging()
    rig.target()
    before = snapshot(rig.kubelet.parent)

    status, message = await error_of(call(rig))

    assert status is Status.INVALID_ARGUMENT
    assert words in message
    assert snapshot(rig.kubelet.parent) == before
    assert rig.loops() == []
    assert rig.mounts() == []
    assert list(rig.desk.records.all()) == []


@pytest.mark.parametrize("case", CASES)
async def test_bad_input_is_named_and_nothing_is_done(rig: NodeRig, case: str) -> None:
    call, words = CASES[case]

    await check(rig, call, words)


PATH_FIELDS: dict[str, Callable[[str], Call]] = {
    "staging_target_path": lambda path: stage(staging_target_path=path),
    "target_path": lambda path: publish(target_path=path),
    "unstage staging_target_path": unstage,
    "unpublish target_path": unpublish,
    "stats volume_path": stats,
    "expand volume_path": expand,
}


@pytest.mark.parametrize("bad", BAD_PATHS, ids=lambda path: repr(path)[:30])
@pytest.mark.parametrize("field", PATH_FIELDS)
async def test_no_path_leads_out_of_the_kubelets_directory(
    rig: NodeRig, field: str, bad: str
) -> None:
    (rig.kubelet / "pods").mkdir()
    (rig.kubelet / "pods" / "out").symlink_to("/etc")
    call = PATH_FIELDS[field](bad.replace("{kubelet}", str(rig.kubelet)))

    await check(rig, call, f"{field.rpartition(' ')[2]} {BAD_PATHS[bad]}")


async def test_an_option_that_is_the_users_to_choose_wins_over_the_drivers(rig: NodeRig) -> None:
    await rig.stage(mounted("ext4", "errors=continue"))

    (mount,) = rig.mounts()
    assert not {"errors=remount-ro", "errors=panic"} & mount.super_options


async def test_a_secret_is_neither_logged_nor_kept_nor_told(rig: NodeRig) -> None:
    dhchap = {"auth": "dhchap"}
    wrong = SECRET.replace(":01:", ":09:")

    with capture_logs() as lines:
        await rig.stage(volume_context=dhchap, secrets={"nvmeSecret": SECRET})
        await rig.unstage()
        answer = await error_of(
            rig.stage(volume_context=dhchap, secrets={"nvmeSecret": wrong, "other": SECRET})
        )
        await rig.stage(volume_context=dhchap, secrets={"nvmeSecret": SECRET})

    kept = [path.read_text() for path in rig.settings.state_directory.rglob("*.json")]
    assert "NodeStageVolume" in repr(lines)
    assert len(kept) == 1
    assert SECRET[12:40] not in repr((lines, answer, kept, rig.desk))
