"""What is kept of VolumeAttachments and PersistentVolumes, part by part."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from libs.core.ids import VolumeId
from libs.kube.attachments import (
    Claim,
    PersistentVolume,
    VolumeAttachment,
    attachment_name,
    claims_of,
    join,
    join_all,
    read_attachment,
    read_volume,
    references,
    references_of,
    slot_of,
)
from libs.kube.correlate import Reference
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS

DRIVER = "rds.csi.srvlab.io"
UUID = "0b7a7c5e-1f39-4d0a-9a55-3a0a3d1f0e11"

ATTACHMENT = {
    "metadata": {"name": "csi-1", "uid": "u1", "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {
        "attacher": DRIVER,
        "nodeName": "worker-1",
        "source": {"persistentVolumeName": "static"},
    },
    "status": {"attached": True},
}
ATTACHED = VolumeAttachment(
    "csi-1", "u1", "worker-1", "static", "", attached=True, created="2026-01-02T03:04:05Z"
)
VOLUME = {
    "metadata": {"name": "static", "uid": "u2"},
    "spec": {
        "csi": {"driver": DRIVER, "volumeHandle": "disk-1"},
        "accessModes": ["ReadOnlyMany"],
        "claimRef": {"namespace": "vms", "name": "disk", "uid": "u3"},
        "volumeAttributesClassName": "fast",
    },
}
KEPT = PersistentVolume("static", "disk-1", True, ("vms", "disk"), "fast", "u2", "u3")  # noqa: FBT003
CLAIM = Claim(
    "disk-1",
    "worker-1",
    attached=True,
    created="2026-01-02T03:04:05Z",
    name="csi-1",
    uid="u1",
    read_only=True,
    is_orphan=False,
)


def changed(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return an object with something else at a path; None takes it away."""
    new = copy.deepcopy(item)
    *way, last = path.split(".")
    part = new
    for key in way:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return new


@pytest.mark.parametrize(
    ("attributes", "authenticated"),
    [
        ({"auth": "dhchap"}, True),
        ({"auth": "off"}, False),
        ({"other": "dhchap"}, False),
        (None, False),
        ("dhchap", False),
    ],
)
def test_whether_nodes_are_told_to_authenticate_themselves(
    attributes: object, *, authenticated: bool
) -> None:
    volume = read_volume(changed(VOLUME, "spec.csi.volumeAttributes", attributes or {}), DRIVER)

    assert volume is not None
    assert volume.authenticated is authenticated


def test_the_claims_to_a_volume_of_a_named_device_are_also_those_whose_volume_is_gone() -> None:
    volume, bare = VolumeId.parse(f"pvc-{UUID}@b"), VolumeId.parse(f"pvc-{UUID}")
    own = replace(CLAIM, volume=volume.text)
    gone = replace(CLAIM, volume=bare.text, name="csi-2", is_orphan=True)
    other = replace(CLAIM, volume=bare.text, name="csi-3")
    claims = {volume.text: (own,), bare.text: (gone, other)}

    assert claims_of(claims, volume) == (own, gone)
    assert claims_of(claims, bare) == (gone, other)
    assert claims_of({}, volume) == ()


def test_objects_are_where_the_api_has_them() -> None:
    assert VOLUME_ATTACHMENTS == "/apis/storage.k8s.io/v1/volumeattachments"
    assert PERSISTENT_VOLUMES == "/api/v1/persistentvolumes"
    assert NODES == "/api/v1/nodes"


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("status", {}, replace(ATTACHED, attached=False)),
        ("status", None, replace(ATTACHED, attached=False)),
        ("metadata.uid", None, replace(ATTACHED, uid="")),
        ("metadata.creationTimestamp", None, replace(ATTACHED, created="")),
        ("spec.nodeName", None, replace(ATTACHED, node="")),
        ("spec.source", None, replace(ATTACHED, volume="")),
        ("spec.source", {}, replace(ATTACHED, volume="")),
        ("spec.source", {"inlineVolumeSpec": {}}, replace(ATTACHED, volume="")),
        ("spec.source", {"inlineVolumeSpec": {"csi": {}}}, replace(ATTACHED, volume="")),
        (
            "spec.source",
            {"inlineVolumeSpec": {"csi": {"volumeHandle": "disk-2"}}},
            replace(ATTACHED, volume="", handle="disk-2"),
        ),
        ("spec.attacher", "another.csi", None),
        ("spec", None, None),
    ],
)
def test_an_attachment_is_read_whatever_it_lacks(
    path: str, value: Any, kept: VolumeAttachment | None
) -> None:
    whole = read_attachment(ATTACHMENT, DRIVER)
    lacking = read_attachment(changed(ATTACHMENT, path, value), DRIVER)

    assert (whole, lacking) == (ATTACHED, kept)


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("metadata.uid", None, replace(KEPT, uid="")),
        ("spec.accessModes", ["ReadWriteOnce"], replace(KEPT, read_only=False)),
        ("spec.claimRef", None, replace(KEPT, claim=None, claim_uid="")),
        ("spec.claimRef.name", None, replace(KEPT, claim=None)),
        ("spec.claimRef.namespace", None, replace(KEPT, claim=("", "disk"))),
        ("spec.claimRef.uid", None, replace(KEPT, claim_uid="")),
        ("spec.volumeAttributesClassName", None, replace(KEPT, attributes_class="")),
        ("spec.csi.volumeHandle", None, replace(KEPT, handle="")),
        ("spec.csi.driver", "another.csi", None),
        ("spec.csi", None, None),
        ("spec", None, None),
    ],
)
def test_a_volume_is_read_whatever_it_lacks(
    path: str, value: Any, kept: PersistentVolume | None
) -> None:
    whole = read_volume(VOLUME, DRIVER)
    lacking = read_volume(changed(VOLUME, path, value), DRIVER)

    assert (whole, lacking) == (KEPT, kept)


def test_events_are_about_a_volume_and_its_claim_whosever_they_are() -> None:
    own = Reference("v1", "PersistentVolume", "static", uid="u2")
    claim = Reference("v1", "PersistentVolumeClaim", "disk", "vms", "u3")

    assert references(KEPT) == references_of(VOLUME) == (own, claim)
    assert references(replace(KEPT, claim=None, claim_uid="")) == (own,)
    assert references_of({"metadata": {"name": "bare"}}) == (
        Reference("v1", "PersistentVolume", "bare"),
    )


@pytest.mark.parametrize(
    ("attachment", "volume", "claim"),
    [
        (ATTACHED, KEPT, CLAIM),
        (ATTACHED, replace(KEPT, read_only=False), replace(CLAIM, read_only=False)),
        (
            replace(ATTACHED, volume=f"pvc-{UUID}"),
            None,
            replace(CLAIM, volume=f"pvc-{UUID}", read_only=False, is_orphan=True),
        ),
        (
            replace(ATTACHED, volume="", handle="disk-2"),
            None,
            replace(CLAIM, volume="disk-2", read_only=False, is_orphan=True),
        ),
    ],
    ids=["with its volume", "writable", "orphan", "inline"],
)
def test_an_attachment_claims_its_volume(
    attachment: VolumeAttachment, volume: PersistentVolume | None, claim: Claim
) -> None:
    assert join(attachment, volume) == claim


def test_claims_are_found_by_their_volume() -> None:
    second = replace(ATTACHED, name="csi-2", node="worker-2")

    found = join_all([ATTACHED, second], [KEPT])

    assert found == {"disk-1": (CLAIM, replace(CLAIM, name="csi-2", node="worker-2"))}


def test_a_claim_is_told_from_a_later_one_by_what_never_comes_again() -> None:
    assert CLAIM.identity == "u1"
    assert replace(CLAIM, uid="").identity == "csi-1 2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        (f"pvc-{UUID}", f"pvc-{UUID}"),
        ("pvc-anything", "pvc-anything"),
        ("static", "vol-static"),
        ("", ""),
    ],
)
def test_the_slot_of_a_volume_follows_from_its_name(name: str, slot: str) -> None:
    assert slot_of(name) == slot
    assert replace(ATTACHED, volume=name, handle="").slot == slot


def test_the_slot_of_an_inline_volume_is_its_handle() -> None:
    assert replace(ATTACHED, volume="", handle="disk-2").slot == "disk-2"


def test_an_attachment_is_named_as_the_attach_detach_controller_does() -> None:
    name = attachment_name("vol", "drv", "node")

    assert name == "csi-75c705103da62dcfbf1148483950b24857cb1ef40a66c9b95b65683f00dbc90a"
