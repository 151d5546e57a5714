"""What comes in requests: every parser of every service, and what is made of what they let in."""

import os.path
from collections.abc import Callable
from typing import Any, TypeVar

from libs.core.errors import (
    Exhausted,
    InUse,
    InvalidRequest,
    NotFound,
    OutOfRange,
    RdsCsiError,
    StaleToken,
)
from libs.core.ids import NodeId, Nqn, SnapshotId, VolumeId
from libs.core.paths import DevicePath
from libs.csikit.redact import redacted
from libs.mockrds.parser import parse
from libs.nvmeof.fabrics_options import render_options
from libs.rdsclient import images
from libs.rdsclient.model import DiskSpec, Features, Release
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as controller_admin
from protos.gen.rdscsi.reconciler import v1 as reconciler_admin
from services.controller import admin_requests
from services.controller.requests import snapshots as for_snapshots
from services.controller.requests import volumes as for_volumes
from services.controller.requests.parameters import parse_parameters, read_claim
from services.node import requests as for_nodes
from services.node.volume import Use
from services.reconciler import servicer_requests as for_reconciler
from tests.fuzz.draw import Draw
from tests.fuzz.engine import Target
from tests.fuzz.words import SECRET
from tests.unit.controller.values import BASE, OTHER_BASE, SETTINGS, SITES
from tests.unit.rdsclient.test_injection import shape

T = TypeVar("T")

ROOT = "/var/lib/kubelet"
PREFIXES = ("nqn.2000-02.com.mikrotik",)
HOST = Nqn.parse("nqn.2014-08.org.nvmexpress:uuid:a")
LATEST = Features.of(Release(7, 24))

REFUSALS = (InvalidRequest, OutOfRange, NotFound, StaleToken, Exhausted, InUse)
"""What bad input may end with: codes by which a caller knows that asking again is no use."""

PLAIN_SPEC = DiskSpec(
    VolumeId.parse("pvc-1").slot,
    BASE.image_of(VolumeId.parse("pvc-1").slot),
    4096,
    Nqn.parse("nqn.2000-02.com.mikrotik:pvc-1"),
    4420,
)


def refuse_or(do: Callable[[], T]) -> T | None:
    """Return what something makes of its input, or None where it refuses that as it may."""
    try:
        return do()
    except REFUSALS as error:
        if SECRET in f"{error.message}{error.detail}":
            raise AssertionError("an error shows a secret") from error
        return None


def check_line(spec: DiskSpec) -> None:
    """Check that the device sees one command, the same as for a harmless volume."""
    made, plain = (images.create_disk(LATEST, one).line for one in (spec, PLAIN_SPEC))
    assert shape(parse(made)) == shape(parse(plain))


def check_inside(path: str) -> None:
    assert path.startswith(f"{ROOT}/")
    assert os.path.normpath(path) == path


def create(draw: Draw) -> None:
    found = refuse_or(
        lambda: for_volumes.parse_create(draw.message(csi.CreateVolumeRequest), SITES)
    )
    if found is None:
        return
    _, wanted = found
    assert wanted.volume.is_managed
    assert wanted.path.parent in {BASE, OTHER_BASE} or wanted.path.parent.parent in {
        BASE,
        OTHER_BASE,
    }
    check_line(DiskSpec(wanted.volume.slot, wanted.path, 4096, wanted.nqn, 4420))


def parameters(draw: Draw) -> None:
    given = draw.message(csi.CreateVolumeRequest).parameters
    read_claim(given)
    found = refuse_or(lambda: parse_parameters(given, SETTINGS))
    assert found is None or found.directory in {BASE, OTHER_BASE}


def stage(draw: Draw) -> None:
    request = draw.message(csi.NodeStageVolumeRequest)
    found = refuse_or(lambda: for_nodes.parse_stage(request, ROOT, PREFIXES))
    if found is not None:
        check_use(found[0])


def check_use(use: Use) -> None:
    """Check that a volume is staged below the root, and its options are no more than they seem."""
    check_inside(use.staging)
    assert use.target.nqn.text.startswith(f"{PREFIXES[0]}:")
    assert all(" " not in option and "\n" not in option for option in use.options)
    assert all("," not in option or '"' in option or "context=" in option for option in use.options)
    options = refuse_or(lambda: render_options(use.target, "192.0.2.2", HOST, "id", 4))
    keys = [part.partition("=")[0] for part in (options or "").split(",")]
    assert len(keys) == len(set(keys))
    assert len(keys) in {1, 9, 10}


def publish(draw: Draw) -> None:
    request = draw.message(csi.NodePublishVolumeRequest)
    found = refuse_or(lambda: for_nodes.parse_publish(request, ROOT))
    if found is None:
        return
    _, publication, use = found
    check_inside(publication.path)
    adopted = for_nodes.parse_adoptable(request, use.staging or f"{ROOT}/x", PREFIXES)
    if adopted is not None:
        check_use(adopted)


def node_paths(draw: Draw) -> None:
    request = draw.message(csi.NodeUnstageVolumeRequest)
    found = refuse_or(
        lambda: for_nodes.parse_volume_path(
            request.volume_id, request.staging_target_path, "staging_target_path", ROOT
        )
    )
    if found is not None:
        check_inside(found[1])
    expansion = draw.message(csi.NodeExpandVolumeRequest)
    asked = refuse_or(lambda: for_nodes.parse_expand(expansion, ROOT))
    if asked is not None:
        check_inside(asked.path)


def others(draw: Draw) -> None:
    """Read the controller's other requests."""
    readers: dict[type[Any], Callable[[Any], object]] = {
        csi.ControllerPublishVolumeRequest: lambda m: for_volumes.parse_publish(m, SITES),
        csi.ControllerExpandVolumeRequest: for_volumes.parse_expand,
        csi.ControllerModifyVolumeRequest: lambda m: for_volumes.parse_modify(m, SITES),
        csi.ListVolumesRequest: for_volumes.parse_page,
        csi.CreateSnapshotRequest: for_snapshots.parse_snapshot,
        csi.ListSnapshotsRequest: for_snapshots.parse_query,
        controller_admin.DetachRequest: admin_requests.parse_pair,
        controller_admin.FenceRequest: admin_requests.parse_pair,
        controller_admin.UnfenceRequest: admin_requests.parse_pair,
        controller_admin.DeleteOrphanRequest: lambda m: admin_requests.parse_orphan(m, SITES),
        reconciler_admin.ListFindingsRequest: for_reconciler.parse_list,
        reconciler_admin.WatchFindingsRequest: for_reconciler.parse_watch,
    }
    kind = draw.pick(list(readers))
    message = draw.message(kind)
    refuse_or(lambda: readers[kind](message))


def orphans(draw: Draw) -> None:
    message = draw.message(controller_admin.DeleteOrphanRequest)
    found = refuse_or(lambda: admin_requests.parse_orphan(message, SITES))
    if found is not None and found[1].path is not None:
        assert found[1].path.parent in {BASE, OTHER_BASE}


def pages(draw: Draw) -> None:
    items, token = sorted({"a" + draw.text("name") for _ in range(4)}), draw.text("page_token")
    size = draw.integer()
    found = refuse_or(lambda: for_reconciler.cut_page(items, size, token, lambda item: item))
    assert found is None or (not found[1]) == (found[0] == [] or found[0][-1] == items[-1])


def ids(draw: Draw) -> None:
    """Read a text as everything that an ID or path can be; what is let in stays what it is."""
    text = draw.text(draw.pick(("id", "volume_id", "node_id", "nqn", "volumePath")))
    kinds: tuple[Any, ...] = (VolumeId, SnapshotId, NodeId, Nqn, DevicePath)
    for kind in kinds:
        found = refuse_or(lambda kind=kind: kind.parse(text))  # type: ignore[misc] # bound at once
        assert found is None or kind.parse(found.text) == found
        assert found is None or not set(found.text) & set(" \t\r\n\x00\"'\\$;[]{}()`,")
    for named in (VolumeId, SnapshotId):
        made = refuse_or(lambda named=named: named.from_name(text))  # type: ignore[misc] # bound
        assert made is None or (made.is_managed and named.parse(made.text) == made)


def log_lines(draw: Draw) -> None:
    """Render requests for the log: without a secret, whatever else is in them."""
    methods: dict[str, type[Any]] = {
        "CreateVolume": csi.CreateVolumeRequest,
        "NodeStageVolume": csi.NodeStageVolumeRequest,
        "ControllerPublishVolume": csi.ControllerPublishVolumeRequest,
    }
    method = draw.pick(list(methods))
    message = draw.message(methods[method])
    message.secrets = {draw.text(): SECRET, SECRET: draw.text()}
    message.volume_context = message.parameters = message.publish_context = {}
    fields = redacted(f"/csi.v1/{method}", message)
    assert fields.get("secrets") == "***"


def wire(data: bytes) -> None:
    """Decode bytes as messages: refused or read, and not for ever."""
    for kind in (csi.CreateVolumeRequest, csi.NodeStageVolumeRequest):
        try:
            kind.parse(data)
        except RdsCsiError:
            raise
        except Exception:  # noqa: BLE001, S112 (the edge makes InvalidRequest of all of them)
            continue


def _drawn(run: Callable[[Draw], None]) -> Target:
    return Target(lambda data: run(Draw(data, ROOT)), tuple(bytes([n]) * 200 for n in range(8)))


_ENCODED = bytes(csi.CreateVolumeRequest(name="a", parameters={"layout": "file"}))

TARGETS: dict[str, Target] = {
    "create-volume": _drawn(create),
    "parameters": _drawn(parameters),
    "stage": _drawn(stage),
    "publish": _drawn(publish),
    "node-paths": _drawn(node_paths),
    "other-requests": _drawn(others),
    "orphans": _drawn(orphans),
    "pages": _drawn(pages),
    "ids": _drawn(ids),
    "log-lines": _drawn(log_lines),
    "wire": Target(wire, (_ENCODED,)),
}
