"""All that is said of attachments, nodes and snapshots, word for word."""

import pytest

from rdsctl.preflight.model import Attachment, Cluster, NodeInfo
from tests.unit.rdsctl.preflight.values import NAME, told, volume

OTHER = f"{NAME[:-1]}2"
STAYS = "connections and mounts are the kernel's and stay; no pod is restarted"
MOVING = (
    "wait until it has ended before the controllers change places; if it hangs, the new controller "
    "goes on with it"
)
STRANGE = (
    "warning: a VolumeAttachment is of a PersistentVolume that is gone"
    " | do: the reconciler reports it after the move; rdsctl attachments shows it | of: csi-1"
)
TWICE = (
    "blocker: it is attached to a and b at once, for one node only"
    " | do: find out which of them uses it, and end the pods on the other | of: "
)


def held(*nodes: str, name: str = NAME) -> tuple[Attachment, ...]:
    return tuple(Attachment(f"csi-{number}", name, node) for number, node in enumerate(nodes, 1))


@pytest.mark.parametrize(
    ("attachments", "said"),
    [
        ((), []),
        (held("a"), [f"ok: 1 volume attached to 1 node: {STAYS}"]),
        (
            (*held("a"), *held("b", name=OTHER)),
            [f"ok: 2 volumes attached to 2 nodes: {STAYS}"],
        ),
        (
            (*held("a"), Attachment("csi-2", NAME, "b", attached=False)),
            [
                f"warning: a VolumeAttachment is not attached yet | do: {MOVING} | of: csi-2",
                f"ok: 1 volume attached to 1 node: {STAYS}",
            ],
        ),
        (
            (
                Attachment("csi-1", NAME, "a", is_going=True),
                Attachment("csi-2", OTHER, "a", attached=False, is_going=True),
            ),
            [
                f"warning: a VolumeAttachment is being detached | do: {MOVING} | of: csi-1, csi-2",
                f"ok: 1 volume attached to 1 node: {STAYS}",
            ],
        ),
        (
            (Attachment("csi-1", "gone", "a", attached=False),),
            [
                f"warning: a VolumeAttachment is not attached yet | do: {MOVING} | of: csi-1",
                STRANGE,
            ],
        ),
        (
            (Attachment("csi-1", "gone", "a"), Attachment("csi-2", OTHER, "b")),
            [STRANGE, f"ok: 2 volumes attached to 2 nodes: {STAYS}"],
        ),
    ],
)
def test_attachments_are_told_with_those_that_are_in_between(
    attachments: tuple[Attachment, ...], said: list[str]
) -> None:
    cluster = Cluster(volumes=(volume(OTHER), volume()), attachments=attachments)

    assert told("attachments", cluster) == said


@pytest.mark.parametrize(
    ("modes", "is_block", "said"),
    [
        (("ReadWriteOnce",), False, [f"{TWICE}{NAME}"]),
        (("ReadWriteOnce",), True, [f"{TWICE}{NAME}"]),
        (("ReadWriteMany",), False, [f"{TWICE}{NAME}"]),
        (
            ("ReadWriteOnce", "ReadWriteMany"),
            True,
            [
                (
                    "warning: it is attached to a and b: a live migration | do: let it end first"
                    f" | of: {NAME}"
                )
            ],
        ),
        (("ReadOnlyMany",), False, []),
        (("ReadOnlyMany", "ReadWriteOnce"), False, [f"{TWICE}{NAME}"]),
    ],
)
def test_a_volume_on_two_nodes_is_told_by_what_it_may_be(
    *, modes: tuple[str, ...], is_block: bool, said: list[str]
) -> None:
    other = volume(OTHER, is_block=True, access_modes=("ReadOnlyMany",))
    mine = volume(is_block=is_block, access_modes=modes)
    cluster = Cluster(volumes=(other, mine), attachments=held("b", "a"))

    assert told("attachments", cluster)[:-1] == said


def test_a_volume_on_two_nodes_that_nobody_knows_is_for_one_node_only() -> None:
    assert TWICE + "gone" in told(
        "attachments", Cluster(attachments=held("a", "b", name="gone"), volumes=(volume(),))
    )


# Nodes


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (NodeInfo("a"), "ok: 1 node: names, kernels and registration fit"),
        (NodeInfo("a", "5.0.0", driver_id="a"), "ok: 1 node: names, kernels and registration fit"),
        (NodeInfo("a", "v4.1"), "ok: 1 node: names, kernels and registration fit"),
        (NodeInfo("a", "12."), "ok: 1 node: names, kernels and registration fit"),
        (NodeInfo("a", ".4"), "ok: 1 node: names, kernels and registration fit"),
        (
            NodeInfo("a", "4.19.0"),
            "blocker: Linux 4.19.0 has no NVMe/TCP | do: upgrade its kernel | of: a",
        ),
        (
            NodeInfo("a", driver_id="b"),
            (
                "warning: the driver calls it b: the new controller attaches nothing there yet"
                " | do: replace the node plugin there soon after the controller | of: a"
            ),
        ),
        (
            NodeInfo("a", is_ready=False),
            (
                "warning: it is not ready, so its plugin cannot be replaced now"
                " | do: move it when it is back; until then nothing changes there | of: a"
            ),
        ),
    ],
)
def test_a_node_without_volumes_is_told_by_what_it_is(node: NodeInfo, said: str) -> None:
    attached = Attachment("csi-1", NAME, "a", attached=False)

    assert told("nodes", Cluster(nodes=(node,), attachments=(attached,))) == [said]


def test_nodes_with_volumes_have_a_driver_and_are_known() -> None:
    attachments = held("a", "gone", "away")
    cluster = Cluster(nodes=(NodeInfo("a"), NodeInfo("b")), attachments=attachments)

    assert told("nodes", cluster) == [
        (
            "warning: it has volumes, and no driver is registered with its kubelet: nobody "
            "unmounts them | do: see why the existing node plugin does not run there, before "
            "anything else | of: a"
        ),
        (
            "warning: volumes are attached to a node that the cluster does not know | do: the new "
            "controller lets other nodes have them; make sure that the machine is off"
            " | of: away, gone"
        ),
    ]


def test_nothing_is_said_of_no_nodes() -> None:
    assert told("nodes", Cluster()) == []


def test_a_node_whose_name_is_none_is_told_with_why() -> None:
    (said,) = told("nodes", Cluster(nodes=(NodeInfo("node 1"),)))

    assert said.startswith("blocker: node_id must be")
    assert said.endswith(" | do: the driver's node IDs are the names of Nodes | of: node 1")


# Snapshots


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        ((), []),
        (
            None,
            [
                (
                    "warning: snapshots are not served (no snapshot.storage.k8s.io): kubectl apply "
                    "would refuse the VolumeSnapshotClass in k8s/base/storageclasses.yaml, and "
                    "csi-snapshotter has nothing to do | do: install the CustomResourceDefinitions "
                    "of external-snapshotter, or leave both out"
                )
            ],
        ),
        (
            ("s1", "s2"),
            [
                (
                    "warning: 2 snapshots there: those that the existing driver made cannot be "
                    "restored by the new one, and deleting them leaves their disks on the device"
                    " | do: restore or delete what is still needed before moving; snapshots of the "
                    "new driver are named snap-ID.TIME-BYTES.of.VOLUME on the device | of: s1, s2"
                )
            ],
        ),
    ],
)
def test_snapshots_are_told_with_what_becomes_of_them(
    snapshots: tuple[str, ...] | None, said: list[str]
) -> None:
    assert told("snapshots", Cluster(snapshots=snapshots)) == said
