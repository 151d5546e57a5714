"""What CSI requests are read as: anything is read or refused, and nothing else happens."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.secret import Secret
from libs.csikit.capability import Mode
from protos.gen.csi import v1 as csi
from services.node.requests import (
    SECRET_KEY,
    parse_expand,
    parse_path,
    parse_publish,
    parse_stage,
    parse_volume_path,
)
from services.node.volume import Publication, Use
from tests.unit.node.values import NQN

ROOT = "/var/lib/kubelet"
STAGING = f"{ROOT}/plugins/x/globalmount"
TARGET = f"{ROOT}/pods/1/mount"
SECRET = "DHHC-1:00:" + "a" * 48 + ":"
PUBLISHED = {
    "nvme_address": "192.0.2.2",
    "nvme_port": "4421",
    "nvme_nqn": NQN.text,
    "size_bytes": "1073741824",
}
CAPABILITY = csi.VolumeCapability(
    mount=csi.VolumeCapabilityMountVolume(fs_type="xfs", mount_flags=["noatime,nodev"]),
    access_mode=csi.VolumeCapabilityAccessMode(mode=Mode.SINGLE_NODE_WRITER),
)
STAGE = csi.NodeStageVolumeRequest(
    volume_id="pvc-1",
    publish_context=PUBLISHED,
    staging_target_path=STAGING,
    volume_capability=CAPABILITY,
)
PUBLISH = csi.NodePublishVolumeRequest(
    volume_id="pvc-1",
    staging_target_path=STAGING,
    target_path=TARGET,
    volume_capability=CAPABILITY,
)


def stage(request: csi.NodeStageVolumeRequest) -> tuple[Use, Secret | None]:
    return parse_stage(request, ROOT, ("nqn.2000-02.com.mikrotik",))


words = st.text(max_size=12) | st.sampled_from(
    ["pvc-1", "pvc-1@b", STAGING, f"{ROOT}/../x", "/", "-1", "0", "4420", "ro", "rw", SECRET]
)
keys = st.sampled_from(
    [
        *PUBLISHED,
        *("fs_type", "ctrl_loss_tmo", "reconnect_delay", "nvmeAddress", "nqn", "auth"),
        *("ctrlLossTmo", "keepAliveTmo", "mkfsOptions", SECRET_KEY),
    ]
)
maps = st.dictionaries(keys, words | st.sampled_from(["dhchap", "5"]), max_size=5).map(
    lambda changes: {**PUBLISHED, **changes}
)
capabilities = st.none() | st.builds(
    csi.VolumeCapability,
    block=st.none() | st.just(csi.VolumeCapabilityBlockVolume()),
    mount=st.none()
    | st.builds(
        csi.VolumeCapabilityMountVolume,
        fs_type=words | st.sampled_from(["ext4", "xfs"]),
        mount_flags=st.lists(words, max_size=3),
        volume_mount_group=st.sampled_from(["", "", "1000"]),
    ),
    access_mode=st.none()
    | st.builds(csi.VolumeCapabilityAccessMode, mode=st.sampled_from(list(Mode))),
)


@settings(max_examples=200)
@given(
    st.builds(
        csi.NodeStageVolumeRequest,
        volume_id=words,
        publish_context=maps,
        staging_target_path=words,
        volume_capability=capabilities,
        secrets=maps,
        volume_context=maps,
    )
)
def test_any_stage_request_is_read_or_refused(request: csi.NodeStageVolumeRequest) -> None:
    try:
        use, secret = stage(request)
    except InvalidRequest:
        return
    assert use.staging.startswith(f"{ROOT}/")
    assert (secret is not None) is use.authenticated
    assert SECRET not in repr((use, secret))


@settings(max_examples=200)
@given(words, words, words, capabilities, st.booleans())
def test_any_publish_request_is_read_or_refused(
    volume: str,
    staging: str,
    path: str,
    capability: csi.VolumeCapability | None,
    readonly: bool,  # noqa: FBT001 (a field)
) -> None:
    request = csi.NodePublishVolumeRequest(
        volume_id=volume,
        staging_target_path=staging,
        target_path=path,
        volume_capability=capability,
        readonly=readonly,
    )

    try:
        _, publication, _ = parse_publish(request, ROOT)
    except InvalidRequest:
        return
    assert publication.path.startswith(f"{ROOT}/")
    assert publication.read_only or not readonly


@given(words, words, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_any_expand_request_is_read_or_refused(
    volume: str, path: str, required: int, limit: int
) -> None:
    asked = csi.CapacityRange(required_bytes=required, limit_bytes=limit)
    request = csi.NodeExpandVolumeRequest(volume_id=volume, volume_path=path, capacity_range=asked)

    try:
        wanted = parse_expand(request, ROOT)
    except InvalidRequest:
        return
    assert wanted.size == required >= 0


def test_a_stage_request_is_read_as_it_is_meant() -> None:
    use, secret = stage(STAGE)

    assert secret is None
    assert (use.volume.text, use.staging, use.fs_type) == ("pvc-1", STAGING, "xfs")
    assert use.options == ("noatime", "nodev")
    assert use.size == 1 << 30
    target = use.target
    assert (target.nqn, target.address, target.port) == (NQN, "192.0.2.2", 4421)
    assert (target.ctrl_loss, target.reconnect_delay, target.keep_alive) == (-1, 5, 0)


def test_what_the_controller_publishes_overrides_what_the_volume_was_made_with() -> None:
    context = {"nvmeAddress": "192.0.2.9", "nvmePort": "1", "nqn": "nqn.2000-01.old:x"}
    times = {"ctrlLossTmo": "60", "reconnectDelay": "10", "keepAliveTmo": "7"}
    published = {**PUBLISHED, "ctrl_loss_tmo": "90"}

    use, _ = stage(replace(STAGE, publish_context=published, volume_context={**context, **times}))

    assert (use.target.address, use.target.port, use.nqn) == ("192.0.2.2", 4421, NQN)
    assert (use.target.ctrl_loss, use.target.reconnect_delay) == (90, 10)
    assert use.target.keep_alive == 7


def test_the_filesystem_is_the_capabilitys_then_the_published_one_then_ext4() -> None:
    open_one = replace(CAPABILITY, mount=csi.VolumeCapabilityMountVolume())
    published = {**PUBLISHED, "fs_type": "btrfs"}

    found = [
        stage(replace(STAGE, volume_capability=capability, publish_context=context))
        for capability, context in [
            (CAPABILITY, published),
            (open_one, published),
            (open_one, PUBLISHED),
        ]
    ]

    assert [use.fs_type for use, _ in found] == ["xfs", "btrfs", "ext4"]


def test_a_secret_is_read_where_the_volume_wants_one_and_never_shown() -> None:
    asked = replace(STAGE, volume_context={"auth": "dhchap"}, secrets={SECRET_KEY: SECRET})

    use, secret = stage(asked)

    assert secret is not None
    assert secret.reveal() == SECRET
    assert use.authenticated
    assert SECRET not in f"{secret} {secret!r} {use!r}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"volume_id": ""}, "volume_id must not be empty"),
        ({"staging_target_path": ""}, "staging_target_path must not be empty"),
        ({"staging_target_path": "/etc/x"}, "must lie below /var/lib/kubelet"),
        ({"staging_target_path": ROOT}, "must lie below"),
        ({"staging_target_path": f"{ROOT}/../../etc"}, "absolute path without"),
        ({"staging_target_path": "a/b"}, "absolute path"),
        ({"staging_target_path": f"{ROOT}/a\n"}, "at most 4095 bytes"),
        ({"staging_target_path": f"{ROOT}/{'a' * 4095}"}, "at most 4095 bytes"),
        ({"volume_capability": None}, "volume_capability must be given"),
        ({"publish_context": {**PUBLISHED, "nvme_nqn": ""}}, "nvme_nqn must be given"),
        ({"publish_context": {**PUBLISHED, "nvme_nqn": "x"}}, "--managed-nqn-prefixes"),
        ({"publish_context": {**PUBLISHED, "nvme_nqn": f"{NQN}/"}}, "must be of the form"),
        ({"publish_context": {**PUBLISHED, "nvme_port": "0"}}, "TCP port"),
        ({"publish_context": {**PUBLISHED, "nvme_address": "a b"}}, "host name"),
        ({"publish_context": {**PUBLISHED, "size_bytes": "0"}}, "number of bytes"),
        ({"publish_context": {**PUBLISHED, "size_bytes": "\u0661"}}, "number of bytes"),
        ({"volume_context": {"auth": "dhchap"}}, "nvmeSecret must be given"),
        ({"volume_context": {"mkfsOptions": "-F"}}, "must not force"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        stage(replace(STAGE, **changes))


def test_a_secret_that_is_no_secret_is_refused_and_not_quoted() -> None:
    asked = replace(STAGE, volume_context={"auth": "dhchap"}, secrets={SECRET_KEY: "hunter2"})

    with pytest.raises(InvalidRequest) as refused:
        stage(asked)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("how", ["readonly", "flag"])
def test_a_publication_is_read_only_by_the_request_or_by_a_mount_flag(how: str) -> None:
    mount = csi.VolumeCapabilityMountVolume(mount_flags=["ro"] if how == "flag" else [])
    request = replace(
        PUBLISH, readonly=how == "readonly", volume_capability=replace(CAPABILITY, mount=mount)
    )

    volume, publication, asked = parse_publish(request, ROOT)

    assert volume.text == "pvc-1"
    assert publication == Publication(TARGET, read_only=True)
    assert asked.staging == STAGING


def test_a_group_for_the_mount_is_refused_because_the_kubelet_sets_it() -> None:
    mount = csi.VolumeCapabilityMountVolume(volume_mount_group="1000")

    with pytest.raises(InvalidRequest, match="fsGroupPolicy"):
        parse_publish(replace(PUBLISH, volume_capability=replace(CAPABILITY, mount=mount)), ROOT)


def test_one_path_has_one_spelling() -> None:
    _, path = parse_volume_path("pvc-1", f"/var//lib/./kubelet/pods/{'x'}/", "volume_path", ROOT)

    assert path == f"{ROOT}/pods/x"


@given(st.text())
def test_no_path_leads_out_of_the_kubelets_directory(text: str) -> None:
    try:
        path = parse_path(f"{ROOT}/{text}", "target_path", ROOT)
    except InvalidRequest:
        return
    assert path.startswith(f"{ROOT}/")
    assert not {"", ".", ".."} & set(path[1:].split("/"))
