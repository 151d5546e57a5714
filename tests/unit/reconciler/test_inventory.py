"""What belongs together: attachments, volumes, views, and what refers to or holds what."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.inventory import Held, Index, in_pieces
from services.reconciler.model import AttachmentState, SnapshotContent
from tests.unit.reconciler.values import (
    BASE,
    DRIVER,
    NOW,
    RULES,
    V1,
    V2,
    device,
    in_use,
    leftover,
    listed,
    node,
    pv,
    seen,
    snapshot_id,
    va,
    view,
    volume_id,
)

S1 = snapshot_id(1)
HERE = device()
B = device(device="b", is_default=False)
ON_B = volume_id(1, "b")


def index(**parts: Any) -> Index:
    filled = Index(seen(**parts), RULES, NOW)
    for _ in filled.fill():
        pass
    return filled


def test_attachments_come_in_the_order_of_their_names_and_then_their_uids() -> None:
    given = [va(name=name, uid=uid) for name, uid in ("b1", "a2", "a1", "b0")]

    held = index(vas=given).held

    assert [f"{one.attachment.name}{one.attachment.uid}" for one in held] == [
        "a1",
        "a2",
        "b0",
        "b1",
    ]


INLINE = replace(va(), volume="", handle=V2)
AGES = [
    (0.0, True, True),
    (120.0, True, True),
    (120.1, True, False),
    (-0.1, True, False),
    (0.0, False, False),
]
LOST = va(volume="my-volume")
FOR_LOST = f"VolumeAttachment {LOST.name} is for it"
OTHERS = view(V2)
MINE = view()


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        ({"vas": [va()], "pvs": [pv()], "views": [MINE]}, Held(va(), V1, pv(), MINE)),
        ({"vas": [va()], "pvs": [pv()]}, Held(va(), V1, pv(), None)),
        ({"vas": [va()]}, Held(va(), V1, None, None)),
        ({"vas": [INLINE]}, Held(INLINE, V2, None, None)),
        ({"vas": [LOST]}, Held(LOST, "vol-my-volume", None, None)),
        ({"vas": [LOST], "views": [MINE]}, Held(LOST, V1, None, MINE)),
        (
            {"vas": [va()], "pvs": [pv()], "views": [replace(MINE, volume_id=V2)]},
            Held(va(), V1, pv(), None),
        ),
        (
            {"vas": [va()], "pvs": [pv()], "views": [replace(MINE, node="b")]},
            Held(va(), V1, pv(), None),
        ),
        ({"vas": [va()], "pvs": [pv()], "views": [OTHERS]}, Held(va(), V1, pv(), None)),
        ({"vas": [va()], "pvs": [pv()], "views": [MINE, MINE]}, Held(va(), V1, pv(), MINE)),
        (
            {
                "vas": [va()],
                "pvs": [pv()],
                "views": [MINE, replace(MINE, state=AttachmentState.DETACHED), MINE],
            },
            Held(va(), V1, pv(), None),
        ),
        ({"vas": [va()], "pvs": [pv(driver="other")]}, Held(va(), V1, None, None)),
        ({"vas": [va()], "pvs": [pv("", name=V1)]}, Held(va(), V1, None, None)),
    ],
)
def test_an_attachment_is_joined_with_its_volume_and_what_the_controller_says(
    parts: dict[str, Any], held: Held
) -> None:
    assert index(**parts).held == [held]


def test_attachments_of_other_drivers_are_none_of_ours() -> None:
    assert index(vas=[va(attacher="other.csi")]).held == []


def content(name: str, driver: str = DRIVER, **fields: Any) -> SnapshotContent:
    return SnapshotContent(name, "uid", driver, **fields)


@pytest.mark.parametrize(
    ("parts", "item", "on", "words"),
    [
        ({"pvs": [pv()]}, V1, HERE, f"PersistentVolume {V1}"),
        ({"pvs": [pv(name="x", driver="other")]}, V1, HERE, "PersistentVolume x"),
        ({"pvs": [pv(name="x"), pv(name="y")]}, V1, HERE, "PersistentVolume y"),
        ({"pvs": [pv(name="y"), pv(name="x")]}, V1, HERE, "PersistentVolume y"),
        ({"pvs": [pv(f"{V1}@rds")]}, V1, HERE, f"PersistentVolume {V1}"),
        ({"pvs": [pv(f"{V1}@rds")]}, V1, replace(HERE, device="b"), ""),
        ({"pvs": [pv()]}, ON_B, B, ""),
        ({"pvs": [pv(ON_B)]}, ON_B, B, f"PersistentVolume {V1}"),
        ({"pvs": [pv(ON_B)]}, V1, HERE, ""),
        ({"pvs": [pv("x", name=V1, driver="other")]}, V1, HERE, f"PersistentVolume {V1}"),
        ({"pvs": [pv("x", name=V1, driver="other")]}, ON_B, B, f"PersistentVolume {V1}"),
        ({"pvs": [pv("", name=V1)]}, V1, HERE, f"PersistentVolume {V1}"),
        ({"pvs": [pv("x", name=V1)]}, V1, HERE, ""),
        ({"contents": [content("c", handles=(S1,))]}, S1, HERE, "VolumeSnapshotContent c"),
        ({"contents": [content("c", source=V1)]}, V1, HERE, "VolumeSnapshotContent c"),
        ({"contents": [content("c", handles=(S1,), source=V1)]}, V1, HERE, ""),
        (
            {"contents": [content(f"snapcontent-{S1[5:]}")]},
            S1,
            HERE,
            f"VolumeSnapshotContent snapcontent-{S1[5:]}",
        ),
        ({"contents": [content(f"snapcontent-{S1[5:]}", "other")]}, S1, HERE, ""),
    ],
)
def test_what_refers_to_something_is_known_by_its_handle_or_its_name(
    parts: dict[str, Any], item: str, on: Any, words: str
) -> None:
    assert index(**parts).referrer(item, on.device) == words


@pytest.mark.parametrize(
    ("parts", "item", "on", "words"),
    [
        ({"nodes": [node(**in_use(V1))]}, V1, HERE, "node a reports it in use"),
        ({"nodes": [node(**in_use(V1))]}, V2, HERE, ""),
        ({"views": [view()]}, V1, HERE, "it is attached to node a"),
        ({"vas": [va()]}, V1, HERE, f"VolumeAttachment {va().name} is for it"),
        ({"vas": [va()], "pvs": [pv()]}, V1, HERE, f"VolumeAttachment {va().name} is for it"),
        ({"vas": [va()]}, ON_B, B, f"VolumeAttachment {va().name} is for it"),
        ({"vas": [va()], "pvs": [pv()]}, ON_B, B, ""),
        ({"vas": [LOST], "views": [MINE]}, "vol-my-volume", HERE, FOR_LOST),
        ({"vas": [LOST], "views": [MINE]}, V1, HERE, "it is attached to node a"),
        ({"vas": [LOST], "pvs": [pv(V2, name="my-volume")]}, "vol-my-volume", HERE, ""),
    ],
)
def test_what_holds_a_volume_is_told(parts: dict[str, Any], item: str, on: Any, words: str) -> None:
    assert index(**parts).holder(item, on.device) == words


def test_of_two_leftovers_of_one_volume_the_first_path_counts() -> None:
    left = [leftover(V1, path=f"{BASE}/{name}") for name in "bac"]
    left.append(leftover(V2, path=f"{BASE}/x", managed=False))

    assert index(devices=[device(leftovers=left)]).left == {"": {V1: left[1]}}


def test_hosts_are_known_by_all_the_nodes_that_say_they_are_one() -> None:
    nodes = [node(name, host_nqn=nqn) for name, nqn in (("b", "x"), ("a", "x"), ("c", ""))]

    found = index(nodes=nodes)

    assert (found.nodes_of_host("x"), found.nodes_of_host("y")) == (("a", "b"), ())
    assert found.nodes_of_host("") == ()


def test_of_two_devices_of_one_name_neither_is_known() -> None:
    both = index(devices=[device(device="b"), HERE, B])

    assert list(both.devices) == ["@b"]
    assert [one.device for one in index(devices=[B, HERE]).devices.values()] == ["b", "rds"]


@pytest.mark.parametrize(
    ("count", "pieces"), [(0, 0), (1, 0), (199, 0), (200, 1), (399, 1), (400, 2)]
)
def test_work_is_done_in_pieces_of_two_hundred(count: int, pieces: int) -> None:
    done: list[int] = []

    steps = list(in_pieces(range(count), done.append))

    assert done == list(range(count))
    assert steps == [None] * pieces


@pytest.mark.parametrize(
    ("age", "complete", "is_sound"),
    AGES,
)
@pytest.mark.parametrize(
    "part", ["nodes", "attachments", "volumes", "contents", "devices", "views"]
)
def test_a_listing_is_sound_while_it_is_whole_and_not_too_old(
    part: str,
    age: float,
    complete: bool,  # noqa: FBT001 (a field)
    is_sound: bool,  # noqa: FBT001 (an expectation)
) -> None:
    whole = seen()
    one = replace(getattr(whole, part), read_at=NOW - age, complete=complete)

    found = Index(replace(whole, **{part: one}), RULES, NOW)

    sound = {
        name: getattr(found, f"{name}_sound")
        for name in ("nodes", "attachments", "volumes", "contents", "devices", "views")
    }
    assert sound == dict.fromkeys(sound, True) | {part: is_sound}


@pytest.mark.parametrize(
    ("age", "complete", "is_there"),
    AGES,
)
def test_a_device_is_known_while_its_listing_is_whole_and_not_too_old(
    age: float,
    complete: bool,  # noqa: FBT001 (a field)
    is_there: bool,  # noqa: FBT001 (an expectation)
) -> None:
    one = device(read_at=NOW - age, complete=complete)

    found = index(devices=[one])

    assert found.devices == ({"": one} if is_there else {})


def test_each_kind_of_listing_has_its_own_age() -> None:
    old = seen(devices=[device(read_at=NOW - 20)])
    parts = ("nodes", "attachments", "volumes", "contents", "devices", "views")
    old = replace(old, **{part: replace(getattr(old, part), read_at=NOW - 20) for part in parts})
    cluster = Index(old, replace(RULES, max_age=10.0), NOW)
    devices = Index(old, replace(RULES, max_device_age=10.0), NOW)

    sound = [
        (found.nodes_sound, found.contents_sound, found.views_sound, found.devices_sound)
        for found in (cluster, devices)
    ]

    assert sound == [(False, False, True, True), (True, True, False, False)]
    assert (list(cluster.devices), list(devices.devices)) == ([""], [])
    assert listed([]).is_sound(NOW, 0.0)
