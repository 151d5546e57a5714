"""What the admin API tells of devices, attachments and what was done."""

from dataclasses import replace

import pytest

from libs.core.ids import NodeId, Slot, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool
from libs.rdsclient.state import LinkState
from protos.gen.rdscsi.controller import v1 as admin
from services.controller import admin_answers as answers
from services.controller.plan.attach import NOBODY, Fencing
from services.controller.plan.fingerprints import Kind
from services.controller.plan.inventory import Found, Frozen, Half, Inventory, Leftover
from services.controller.plan.orphans import Orphan
from services.controller.ports import KnownClaim, Node
from services.controller.sites import Site
from services.controller.workflow.links import Link
from services.controller.workflow.repair import Admitted, Detached
from services.controller.workflow.stock import Held, Holdings, Stock
from tests.unit.controller.values import BASE, NAME, NOW, NQN, SETTINGS, claim, disk

SITE, SECOND = Site(SETTINGS), Site(replace(SETTINGS, rds_name="rack-2"), "b")
VOLUME, NODE = VolumeId.parse(NAME), NodeId.parse("a")
HOST = "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111"
COPY = Image(BASE, Slot(NAME), Origin(NOW, GIB, "pvc-x"), Layout.SUBVOLUME)


def found(of: FileDisk, image: Image | None = None, *, file: BackingFile | None = None) -> Found:
    return Found(of, file, image, Half.WHOLE, (), "print")


def fenced(host: str) -> FileDisk:
    return replace(disk(), export=Export(NQN, 4420, host), is_restricted=True)


def test_a_device_that_was_not_read_has_a_beginning_and_an_end_with_why() -> None:
    first, last = answers.render_stock(Stock(SITE, NOW, None, reachable=False, error="silence"))

    assert first.begin is not None
    assert first.begin.is_default
    assert last.end is not None
    assert (last.end.reachable, last.end.error) == (False, "silence")


def test_an_inventory_comes_in_parts_and_its_end_says_how_much_there_is() -> None:
    volumes = tuple(found(replace(disk(), slot=f"pvc-{n}")) for n in range(answers.PART + 1))
    frozen = Frozen("/p", COPY, ready=True, fingerprint="f")
    left = Leftover(Kind.FILE, "/q", 7, None, Half.NO_DISK, "")
    pools = (Pool("raid10", 100, 10, "xfs", "clean"),)
    inventory = Inventory(volumes, (frozen,), (left,), pools)

    messages = list(answers.render_stock(Stock(SECOND, NOW, inventory)))

    items = [message.items for message in messages if message.items is not None]
    assert [len(one.volumes) for one in items] == [answers.PART, 1, 0, 0]
    assert items[2].snapshots[0].source_volume_id == "pvc-x@b"
    assert (items[3].leftovers[0].managed, items[3].leftovers[0].volume_id) == (False, "")
    end = messages[-1].end
    assert end is not None
    assert (end.volumes, end.snapshots, end.leftovers) == (answers.PART + 1, 1, 1)
    assert end.pools[0].mount_point == "raid10"


def test_a_volume_is_told_with_its_file_its_place_and_its_hosts() -> None:
    file = BackingFile(f"{BASE}/{NAME}.img", GIB)

    told = answers.render_volume(found(fenced(f"{NOBODY},{HOST}"), COPY, file=file), SECOND)

    assert told.volume_id == f"{NAME}@b"
    assert (told.file_present, told.file_size_bytes) == (True, GIB)
    assert (told.layout, told.created_from) == (admin.Layout.SUBVOLUME, "pvc-x@b")
    assert (told.nqn, told.port, told.fenced, told.allowed_hosts) == (NQN, 4420, True, [HOST])


def test_what_a_volume_lacks_is_not_made_up() -> None:
    told = answers.render_volume(found(disk(exported=False)), SITE)

    assert (told.exported, told.nqn, told.port, told.allowed_hosts) == (False, "", 0, [])
    assert (told.layout, told.created_from) == (admin.Layout.UNSPECIFIED, "")
    assert not told.file_present


@pytest.mark.parametrize(
    ("on_device", "node", "asked", "told"),
    [
        (None, None, False, admin.Admission.UNKNOWN),
        (None, None, True, admin.Admission.NO_VOLUME),
        (disk(exported=False), None, True, admin.Admission.NOT_EXPORTED),
        (disk(), None, True, admin.Admission.EVERYBODY),
        (fenced(NOBODY), None, True, admin.Admission.SHUT_OUT),
        (fenced(HOST), None, True, admin.Admission.UNKNOWN),
        (fenced(HOST), Node("a", ""), True, admin.Admission.UNKNOWN),
        (fenced(HOST), Node("a", HOST), True, admin.Admission.ADMITTED),
        (fenced(NOBODY), Node("a", HOST), True, admin.Admission.SHUT_OUT),
    ],
)
def test_whether_the_device_lets_a_node_in_is_told_as_far_as_it_is_known(
    on_device: FileDisk | None,
    node: Node | None,
    asked: bool,  # noqa: FBT001 (a case)
    told: admin.Admission,
) -> None:
    held = Held(KnownClaim(NAME, claim("a")), node, asked, on_device)

    assert answers.admission(held) is told


@pytest.mark.parametrize(
    ("attached", "released", "state"),
    [
        (True, False, admin.AttachmentState.ATTACHED),
        (False, False, admin.AttachmentState.PENDING),
        (True, True, admin.AttachmentState.DETACHED),
    ],
)
def test_attachments_come_between_what_is_not_known_and_the_end(
    attached: bool,  # noqa: FBT001 (a case)
    released: bool,  # noqa: FBT001 (a case)
    state: admin.AttachmentState,
) -> None:
    known = KnownClaim(NAME, claim("a", attached=attached, since=0.0), released=released)
    held = Held(known, Node("a", HOST), asked=False, disk=None)

    first, middle, last = answers.render_holdings(Holdings((held,), (("rack-2", "silence"),), NOW))

    assert [(one.device, one.error) for one in first.unknown] == [("rack-2", "silence")]
    (told,) = middle.attachments
    assert (told.state, told.node_exists, told.node_host_nqn) == (state, True, HOST)
    assert told.since is None
    assert last.last


def test_a_node_that_is_gone_has_no_host_and_a_claim_its_time() -> None:
    held = Held(KnownClaim(NAME, claim("a")), None, asked=False, disk=None)

    _, middle, _ = answers.render_holdings(Holdings((held,), (), NOW))

    (told,) = middle.attachments
    assert (told.node_exists, told.node_host_nqn) == (False, "")
    assert told.since == answers.moment(NOW)


@pytest.mark.parametrize(
    ("released", "was_attached", "says"),
    [(False, True, "was detached from a"), (True, False, "was not attached to a")],
)
def test_a_detach_says_whether_there_was_anything_to_detach(
    released: bool,  # noqa: FBT001 (a case)
    was_attached: bool,  # noqa: FBT001 (an expectation)
    says: str,
) -> None:
    done = Detached((KnownClaim(NAME, claim("a"), released=released),), Fencing.CHANGED, ("b",))

    told = answers.render_detached(VOLUME, NODE, done)

    assert told.was_attached is was_attached
    assert says in told.summary
    assert (told.fencing, told.remaining_nodes) == (admin.FencingResult.CHANGED, ["b"])


@pytest.mark.parametrize("fencing", Fencing)
def test_what_the_device_had_to_be_told_is_in_words_and_in_a_field(fencing: Fencing) -> None:
    done = Admitted(fencing, (HOST,))

    out, back = (
        answers.render_fenced(VOLUME, NODE, done),
        answers.render_unfenced(VOLUME, NODE, done),
    )

    assert out.fencing.name == back.fencing.name == fencing.name
    assert "is shut out of" in out.summary
    assert "is let in to" in back.summary
    assert out.allowed_hosts == back.allowed_hosts == [HOST]


@pytest.mark.parametrize(
    ("size", "removed", "says"), [(7, True, "was removed"), (None, False, "was gone already")]
)
def test_a_removal_says_what_became_free(
    size: int | None,
    removed: bool,  # noqa: FBT001 (an expectation)
    says: str,
) -> None:
    told = answers.render_removed(Orphan(Kind.VOLUME, VOLUME, None, "f"), size)

    assert (told.removed, told.freed_bytes) == (removed, size or 0)
    assert told.summary.endswith(says)


def test_connections_and_counters_are_told_as_they_are() -> None:
    (told,) = answers.render_links([Link("rds", LinkState.AWAY, "silence", 2, NOW)]).connections
    counter = answers.render_counter("n", {"a": "b"}, 7)

    assert (told.state, told.reason, told.reconnects) == (admin.ConnectionState.AWAY, "silence", 2)
    assert (counter.name, counter.labels, counter.value) == ("n", {"a": "b"}, 7)
