"""Limits of what a request may say, and every field of what it is read as."""

from dataclasses import replace
from typing import Any

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, VolumeId
from libs.core.secret import Secret
from libs.csikit.capability import Mode
from libs.nvmeof.model import Target
from protos.gen.csi import v1 as csi
from services.node.requests import (
    Expansion,
    parse_adoptable,
    parse_expand,
    parse_path,
    parse_publish,
    parse_stage,
)
from services.node.volume import Publication, Use
from tests.unit.node.values import NQN

ROOT = "/var/lib/kubelet"
STAGING = f"{ROOT}/plugins/x/globalmount"
TARGET = f"{ROOT}/pods/1/mount"
PREFIXES = ("nqn.2000-02.com.mikrotik",)
KEY = "DHHC-1:00:" + "a+/B" * 12 + "==:"
PUBLISHED = {"nvme_address": "192.0.2.2", "nvme_port": "4421", "nvme_nqn": NQN.text}
CONTEXT = {"nvmeAddress": "192.0.2.9", "nvmePort": "4422", "nqn": f"{NQN}x"}
CAPABILITY = csi.VolumeCapability(
    mount=csi.VolumeCapabilityMountVolume(fs_type="xfs", mount_flags=["noatime"]),
    access_mode=csi.VolumeCapabilityAccessMode(mode=Mode.MULTI_NODE_READER_ONLY),
)
WRONG_FLAGS = replace(CAPABILITY, mount=csi.VolumeCapabilityMountVolume(mount_flags=["a b"]))
STAGE = csi.NodeStageVolumeRequest(
    volume_id="pvc-1",
    publish_context={**PUBLISHED, "size_bytes": "1073741824"},
    staging_target_path=STAGING,
    volume_capability=CAPABILITY,
    secrets={"nvmeSecret": KEY},
    volume_context={"auth": "dhchap", "mkfsOptions": "-m 0", "keepAliveTmo": "7"},
)
PUBLISH = csi.NodePublishVolumeRequest(
    volume_id="pvc-1",
    publish_context=STAGE.publish_context,
    staging_target_path=STAGING,
    target_path=TARGET,
    volume_capability=CAPABILITY,
    volume_context=STAGE.volume_context,
)
EXPAND = csi.NodeExpandVolumeRequest(
    volume_id="pvc-1",
    volume_path=TARGET,
    capacity_range=csi.CapacityRange(required_bytes=5, limit_bytes=9),
)
USE = Use(
    volume=VolumeId.parse("pvc-1"),
    target=Target(NQN, "192.0.2.2", 4421, keep_alive=7),
    staging=STAGING,
    fs_type="xfs",
    options=("noatime",),
    mkfs_options=("-m", "0"),
    mode=Mode.MULTI_NODE_READER_ONLY,
    size=1 << 30,
    authenticated=True,
)


def stage(**changes: Any) -> tuple[Use, Secret | None]:
    return parse_stage(replace(STAGE, **changes), ROOT, PREFIXES)


def test_every_part_of_a_stage_request_is_read() -> None:
    assert stage() == (USE, Secret(KEY))


def test_a_stage_request_that_says_little_asks_for_little() -> None:
    plain = replace(USE, target=replace(USE.target, keep_alive=0), mkfs_options=())

    assert stage(publish_context=PUBLISHED, volume_context={}) == (
        replace(plain, size=None, authenticated=False),
        None,
    )


@pytest.mark.parametrize(
    ("published", "context", "target"),
    [
        (PUBLISHED, CONTEXT, Target(NQN, "192.0.2.2", 4421)),
        ({}, CONTEXT, Target(Nqn(f"{NQN}x"), "192.0.2.9", 4422)),
        (
            {"nvme_address": "192.0.2.2", "nvme_nqn": NQN.text},
            {},
            Target(NQN, "192.0.2.2", 4420),
        ),
    ],
    ids=["published", "the volume's own", "no port"],
)
def test_what_is_not_published_is_in_the_volumes_context(
    published: dict[str, str], context: dict[str, str], target: Target
) -> None:
    use, _ = stage(publish_context=published, volume_context=context)

    assert use.target == target


@pytest.mark.parametrize("size", [1, 5, 2**63 - 4096])
def test_a_size_is_from_one_byte_to_the_most_there_is(size: int) -> None:
    use, _ = stage(publish_context={**PUBLISHED, "size_bytes": str(size)})

    assert use.size == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"staging_target_path": ""}, r"staging_target_path must not be empty"),
        ({"publish_context": {"nvme_address": "a"}}, r"publish_context\.nvme_nqn must be given"),
        (
            {"publish_context": {**PUBLISHED, "nvme_nqn": f"{NQN}/"}},
            r"publish_context\.nvme_nqn must be of the form",
        ),
        (
            {"publish_context": {"nvme_nqn": NQN.text}},
            r"publish_context\.nvme_address must be a host name",
        ),
        (
            {"publish_context": {**PUBLISHED, "nvme_port": "0"}},
            r"publish_context\.nvme_port must be a TCP port",
        ),
        ({"volume_context": {"mkfsOptions": "-F"}}, r"volume_context\.mkfsOptions must not force"),
        ({"volume_capability": WRONG_FLAGS}, r"volume_capability\.mount\.mount_flags "),
    ],
)
def test_what_is_wrong_is_told_by_its_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        stage(**changes)


@pytest.mark.parametrize("text", ["0", "-1", "5x", "", "0" * 19 + "5", str(2**63 - 4095)])
def test_what_is_no_size_of_a_volume_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^publish_context\.size_bytes must be a number"):
        stage(publish_context={**PUBLISHED, "size_bytes": text})


@pytest.mark.parametrize(
    "key",
    [
        "DHHC-1:00:" + "a" * 40 + ":",
        "DHHC-1:03:" + "a" * 140 + "==:",
    ],
)
def test_a_key_is_taken_in_the_form_in_which_the_device_shows_it(key: str) -> None:
    _, secret = stage(secrets={"nvmeSecret": key})

    assert secret == Secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "DHHC-1:00:" + "a" * 39 + ":",
        "DHHC-1:00:" + "a" * 141 + ":",
        "DHHC-1:04:" + "a" * 48 + ":",
        "DHHC-1:00:" + "a" * 48 + "===:",
        KEY + "x",
        "x" + KEY,
        "",
    ],
)
def test_a_key_in_another_form_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^secrets\.nvmeSecret must be given"):
        stage(secrets={"nvmeSecret": key})


# Paths


@pytest.mark.parametrize("name", ["a" * (4095 - len(ROOT) - 1), "\udcff"], ids=["long", "odd"])
def test_a_path_may_have_4095_bytes_of_any_kind(name: str) -> None:
    assert parse_path(f"{ROOT}/{name}", "target_path", ROOT) == f"{ROOT}/{name}"


def test_a_path_of_4096_bytes_is_too_long() -> None:
    with pytest.raises(InvalidRequest, match=r"^target_path must be a path of at most 4095 bytes"):
        parse_path(f"{ROOT}/{'a' * (4096 - len(ROOT) - 1)}", "target_path", ROOT)


# Publishing


def test_every_part_of_a_publish_request_is_read() -> None:
    found = parse_publish(PUBLISH, ROOT)

    nowhere = Target(Nqn("nqn.2014-08.org.nvmexpress:nowhere"), "", 4420)
    asked = Use(
        volume=USE.volume,
        target=nowhere,
        staging=STAGING,
        fs_type="xfs",
        options=("noatime",),
        mode=Mode.MULTI_NODE_READER_ONLY,
        authenticated=False,
    )
    assert found == (USE.volume, Publication(TARGET, read_only=False), asked)
    assert parse_publish(replace(PUBLISH, staging_target_path=""), ROOT)[2].staging == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_path": "x"}, "target_path must be an absolute path"),
        ({"staging_target_path": "x"}, "staging_target_path must be an absolute path"),
    ],
)
def test_a_wrong_path_to_publish_at_is_told_by_its_name(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_publish(replace(PUBLISH, **changes), ROOT)


def test_how_another_plugin_staged_a_volume_is_read_from_its_publication() -> None:
    found = parse_adoptable(PUBLISH, "/elsewhere", PREFIXES)

    assert found == replace(USE, staging="/elsewhere", mkfs_options=())
    assert parse_adoptable(replace(PUBLISH, publish_context={}), STAGING, PREFIXES) is None
    assert parse_adoptable(PUBLISH, "", PREFIXES) is None


# Growing


def test_a_growth_asks_for_the_lower_end_of_its_range() -> None:
    assert parse_expand(EXPAND, ROOT) == Expansion(VolumeId.parse("pvc-1"), TARGET, 5)
    assert parse_expand(replace(EXPAND, capacity_range=None), ROOT).size == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"volume_path": ""}, "volume_path must not be empty"),
        ({"volume_capability": csi.VolumeCapability()}, "volume_capability must have exactly one"),
    ],
)
def test_what_is_wrong_with_a_growth_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_expand(replace(EXPAND, **changes), ROOT)
