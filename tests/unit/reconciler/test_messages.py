"""What the controller tells, read whole: every field, every state, and what is not known yet."""

from enum import Enum
from typing import Any

import pytest

from libs.csikit.collect import DeviceListing as Collected
from protos.gen.rdscsi.controller import v1 as admin
from services.reconciler.adapters.messages import ITEM_KINDS, read_device, read_link, read_view
from services.reconciler.model import (
    Admission,
    AttachmentState,
    AttachmentView,
    DeviceListing,
    HalfState,
    ItemKind,
    Leftover,
    Snapshot,
    Volume,
)
from services.reconciler.ports import DeviceLink
from tests.unit.reconciler.values import NOW, V1, V2


def read(**fields: Any) -> DeviceListing:
    return read_device(Collected("rds", error="", **fields), NOW)


def test_a_listing_of_a_device_is_read_field_by_field() -> None:
    begin = admin.DeviceBegin(is_default=True, base_paths=["/p", "/q"], managed_prefixes=["pvc-"])
    volume = admin.Volume(
        volume_id=V1,
        slot="slot",
        path="/p/v",
        fingerprint="fv",
        half_state=admin.HalfState.NOT_EXPORTED,
        size_bytes=7,
        fenced=True,
        allowed_hosts=["h1", "h2"],
        copying_to=["c1", "c2"],
    )
    snapshot = admin.Snapshot(
        snapshot_id="s",
        source_volume_id=V2,
        path="/p/s",
        fingerprint="fs",
        size_bytes=8,
        ready=True,
    )
    leftover = admin.Leftover(
        kind=admin.ItemKind.SUBVOLUME,
        path="/p/l",
        managed=True,
        volume_id=V2,
        fingerprint="fl",
        half_state=admin.HalfState.NO_DISK,
        size_bytes=9,
    )

    found = read(begin=begin, volumes=[volume], snapshots=[snapshot], leftovers=[leftover])

    whole = HalfState.NOT_EXPORTED
    assert found == DeviceListing(
        device="rds",
        is_default=True,
        base_paths=("/p", "/q"),
        managed_prefixes=("pvc-",),
        volumes=(
            Volume(V1, "slot", "/p/v", "fv", whole, 7, True, ("h1", "h2"), ("c1", "c2")),  # noqa: FBT003
        ),
        snapshots=(Snapshot("s", V2, "/p/s", "fs", 8, ready=True),),
        leftovers=(
            Leftover(ItemKind.SUBVOLUME, "/p/l", True, V2, "fl", HalfState.NO_DISK, 9),  # noqa: FBT003
        ),
        complete=True,
        read_at=NOW,
        error="",
    )


def test_a_listing_that_was_cut_off_is_not_whole_and_says_why() -> None:
    found = read_device(Collected("rds", error="cut off"), NOW)

    assert found == DeviceListing(
        "rds",
        is_default=False,
        base_paths=(),
        managed_prefixes=(),
        volumes=(),
        snapshots=(),
        leftovers=(),
        complete=False,
        read_at=NOW,
        error="cut off",
    )


@pytest.mark.parametrize("half", [*admin.HalfState, admin.HalfState(99)])
def test_what_is_missing_of_an_item_is_known_or_nothing_is_done_about_it(
    half: admin.HalfState,
) -> None:
    found = read(
        volumes=[admin.Volume(half_state=half)],
        leftovers=[admin.Leftover(kind=admin.ItemKind.FILE, half_state=half)],
    )

    known = {one.name: one for one in HalfState}.get(str(half.name))
    assert found.volumes[0].half_state is (known or HalfState.ELSEWHERE)
    assert found.leftovers[0].half_state is (known or HalfState.COPYING)


@pytest.mark.parametrize("kind", [*admin.ItemKind, admin.ItemKind(99)])
@pytest.mark.parametrize("managed", [True, False])
def test_a_leftover_of_an_unknown_kind_is_nobodys(
    kind: admin.ItemKind,
    managed: bool,  # noqa: FBT001 (a field)
) -> None:
    found = read(leftovers=[admin.Leftover(kind=kind, managed=managed)]).leftovers[0]

    known = {one.name: one for one in ItemKind}.get(str(kind.name))
    assert found.kind is (known or ItemKind.FILE)
    assert found.managed is (managed and known is not None)


@pytest.mark.parametrize("ready", [True, False])
def test_a_snapshot_is_ready_where_the_controller_says_so(
    ready: bool,  # noqa: FBT001 (a field)
) -> None:
    assert read(snapshots=[admin.Snapshot(ready=ready)]).snapshots[0].ready is ready


def test_every_kind_of_item_can_be_told() -> None:
    assert {kind.name: message.name for kind, message in ITEM_KINDS.items()} == {
        kind.name: kind.name for kind in ItemKind
    }


def named(own: type[Enum], name: str | None, otherwise: Enum) -> Enum:
    return {one.name: one for one in own}.get(str(name), otherwise)


@pytest.mark.parametrize("state", [*admin.AttachmentState, admin.AttachmentState(99)])
@pytest.mark.parametrize("admission", [*admin.Admission, admin.Admission(99)])
def test_an_attachment_is_read_with_its_state_and_its_admission(
    state: admin.AttachmentState, admission: admin.Admission
) -> None:
    view = read_view(
        admin.Attachment(
            volume_id=V1, node_id="a", attachment_uid="u", state=state, admission=admission
        )
    )

    assert view == AttachmentView(
        V1,
        "a",
        "u",
        named(AttachmentState, state.name, AttachmentState.ATTACHED),  # type: ignore[arg-type]
        named(Admission, admission.name, Admission.UNKNOWN),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("state", [*admin.ConnectionState, admin.ConnectionState(99)])
def test_a_connection_is_up_only_where_the_controller_says_so(
    state: admin.ConnectionState,
) -> None:
    message = admin.Connection(device="rds", state=state, reason="why", reconnects=3)

    is_up = state is admin.ConnectionState.UP
    assert read_link(message) == DeviceLink("rds", is_up, "why", 3)
