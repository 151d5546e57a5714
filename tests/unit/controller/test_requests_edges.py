"""Limits of what a request may say, and every field of what it is read as."""

from dataclasses import replace

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import NodeId, Nqn, Slot, VolumeId
from libs.core.secret import Secret
from libs.core.size import GIB, MIB, CapacityRange
from libs.csikit.capability import Capability
from protos.gen.csi import v1 as csi
from services.controller.happenings import ClaimName
from services.controller.requests.parameters import (
    Changes,
    parse_changes,
    parse_parameters,
    parse_password,
    read_claim,
)
from services.controller.requests.volumes import (
    Expansion,
    Modification,
    NewVolume,
    Publication,
    Source,
    parse_create,
    parse_expand,
    parse_modify,
    parse_publish,
)
from services.controller.sites import Site, Sites
from tests.unit.controller.values import NAME, SETTINGS, Mode, create_request, mount

NEAR = Site(replace(SETTINGS, rds_name="b", topology=(("zone", "b"),)), "b")
SITES = Sites([Site(replace(SETTINGS, topology=(("zone", "a"),))), NEAR])
NAMESPACE, PVC = "csi.storage.k8s.io/pvc/namespace", "csi.storage.k8s.io/pvc/name"


@pytest.mark.parametrize(
    ("namespace", "name", "claim"),
    [
        ("vms", "disk", ClaimName("vms", "disk")),
        ("v", "d" * 253, ClaimName("v", "d" * 253)),
        ("vms", "d" * 254, None),
        ("vms/x", "disk", None),
        ("vms", "disk/x", None),
        ("", "disk", None),
        ("vms", "", None),
    ],
)
def test_a_claim_is_known_where_both_of_its_names_are(
    namespace: str, name: str, claim: ClaimName | None
) -> None:
    assert read_claim({NAMESPACE: namespace, PVC: name}) == claim
    assert read_claim({PVC: name}) is None


@pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "!~" * 4])
def test_a_password_of_8_to_128_characters_is_taken(password: str) -> None:
    assert parse_password({"nvmePassword": password}, needed=True) == Secret(password)
    assert parse_password({"nvmePassword": password}, needed=False) is None


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 129, "secret 123", "secret-12 "])
def test_another_password_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^secrets\.nvmePassword must be given"):
        parse_password({"nvmePassword": password}, needed=True)


def test_fencing_may_be_off_where_it_is_not_offered() -> None:
    parameters = parse_parameters({"fencing": "off"}, SETTINGS)

    assert parameters.fenced is False


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"volumePath": "/x"}, r"mutable_parameters has unknown keys 'volumePath'; known are "),
        ({"keepAliveTmo": "x"}, r"parameters\.keepAliveTmo must be a whole number"),
        ({"auth": "tls"}, r"parameters\.auth must be one of off, dhchap"),
    ],
)
def test_a_wrong_change_is_named_with_its_rule(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_changes(given, SETTINGS)


def test_every_part_of_a_create_request_is_read() -> None:
    request = replace(
        create_request(
            required=GIB,
            limit=2 * GIB,
            parameters={"csi.storage.k8s.io/fstype": "xfs"},
            mutable={"keepAliveTmo": "5"},
        ),
        volume_capabilities=[mount(), mount(fs_type="ext4")],
        accessibility_requirements=csi.TopologyRequirement(
            requisite=[csi.Topology(segments={"zone": "b"})]
        ),
    )

    site, wanted = parse_create(request, SITES)

    given = {**request.parameters, **request.mutable_parameters}
    assert site is NEAR
    assert wanted == NewVolume(
        volume=VolumeId.parse(f"{NAME}@b"),
        size=CapacityRange(GIB, 2 * GIB),
        min_bytes=300 * MIB,
        parameters=parse_parameters(given, SETTINGS),
        nqn=Nqn(f"nqn.2000-02.com.mikrotik:{NAME}"),
        source=None,
        password=None,
        changes=Changes({"keepAliveTmo": "5"}, None, None),
    )


def test_the_first_place_that_is_preferred_is_taken_of_those_that_will_do() -> None:
    zones = {zone: csi.Topology(segments={"zone": zone}) for zone in "ab"}
    needs = csi.TopologyRequirement(requisite=[zones["a"], zones["b"]], preferred=[zones["b"]])

    site, _ = parse_create(replace(create_request(), accessibility_requirements=needs), SITES)

    assert site is NEAR


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            csi.VolumeContentSource(
                snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id="/x")
            ),
            r"volume_content_source\.snapshot_id must",
        ),
        (
            csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id="/x")),
            r"volume_content_source\.volume_id must",
        ),
        (csi.VolumeContentSource(), "volume_content_source must have a snapshot or a volume"),
    ],
)
def test_a_source_that_cannot_be_is_named(source: csi.VolumeContentSource, message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_create(create_request(source=source), SITES)


def test_a_wrong_name_is_refused_before_the_source_is_missed() -> None:
    gone = csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id="vm-1"))

    with pytest.raises(InvalidRequest, match=r"^name must not be empty"):
        parse_create(create_request(name="", source=gone), SITES)


def test_a_source_is_told_by_its_kind_and_slot() -> None:
    slot = Slot("pvc-1")

    assert str(Source(slot, is_snapshot=True)) == "snapshot pvc-1"
    assert str(Source(slot, is_snapshot=False)) == "volume pvc-1"


PUBLISH = csi.ControllerPublishVolumeRequest(
    volume_id=f"{NAME}@b",
    node_id="worker-1",
    volume_capability=mount(Mode.SINGLE_NODE_WRITER, "xfs"),
    volume_context={"nvmeAddress": "192.0.2.9", "migrationTimeoutSeconds": "60"},
)
PUBLICATION = Publication(
    VolumeId.parse(f"{NAME}@b"),
    NodeId("worker-1"),
    Capability(Mode.SINGLE_NODE_WRITER, "xfs"),
    "192.0.2.9",
    60,
)


@pytest.mark.parametrize(
    ("context", "publication"),
    [
        (PUBLISH.volume_context, PUBLICATION),
        ({}, replace(PUBLICATION, nvme_address="192.0.2.2", migration_timeout=300)),
    ],
)
def test_every_part_of_a_publish_request_is_read(
    context: dict[str, str], publication: Publication
) -> None:
    read = parse_publish(replace(PUBLISH, volume_context=context), SITES)

    assert read == (NEAR, publication)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"nvmeAddress": "a b"}, r"volume_context\.nvmeAddress must be a host name"),
        ({"migrationTimeoutSeconds": "x"}, r"volume_context\.migrationTimeoutSeconds must be"),
    ],
)
def test_a_wrong_context_is_named(context: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_publish(replace(PUBLISH, volume_context=context), SITES)


@pytest.mark.parametrize(("required", "limit"), [(GIB, 0), (0, GIB), (GIB, 2 * GIB)])
def test_a_growth_has_a_lower_end_or_an_upper_one(required: int, limit: int) -> None:
    asked = csi.CapacityRange(required_bytes=required, limit_bytes=limit)

    wanted = parse_expand(csi.ControllerExpandVolumeRequest(volume_id=NAME, capacity_range=asked))

    size = CapacityRange(required, limit)
    assert wanted == Expansion(VolumeId.parse(NAME), size, node_expansion_required=True)


def test_a_change_without_authentication_has_no_password() -> None:
    request = csi.ControllerModifyVolumeRequest(
        volume_id=f"{NAME}@b",
        mutable_parameters={"ctrlLossTmo": "60", "auth": "off"},
        secrets={"nvmePassword": "secret-123"},
    )

    site, wanted = parse_modify(request, SITES)

    changes = Changes({"ctrlLossTmo": "60"}, fenced=None, authenticated=False)
    assert site is NEAR
    assert wanted == Modification(VolumeId.parse(f"{NAME}@b"), changes, Secret(""))
