from typing import Any

from libs.kube.attachments import Claim, join_all, read_attachment, read_volume

DRIVER = "rds.csi.srvlab.io"


def attachment(volume: str, node: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"csi-{volume}-{node}",
            "uid": "u1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "attacher": DRIVER,
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        },
        "status": status,
    }


def persistent_volume(name: str, handle: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"csi": {"driver": DRIVER, "volumeHandle": handle}, **spec},
    }


def claims(attachments: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> list[Claim]:
    read = [a for item in attachments if (a := read_attachment(item, DRIVER))]
    known = [v for item in volumes if (v := read_volume(item, DRIVER))]
    return [claim for held in join_all(read, known).values() for claim in held]


def test_an_attachment_is_about_the_handle_of_its_persistent_volume() -> None:
    (claim,) = claims(
        [attachment("static-pv", "worker-1", attached=True)],
        [persistent_volume("static-pv", "pvc-1")],
    )

    assert (claim.volume, claim.node, claim.attached) == ("pvc-1", "worker-1", True)
    assert claim.since == 1767323045.0


def test_an_attachment_whose_persistent_volume_is_gone_still_counts() -> None:
    (claim,) = claims([attachment("pvc-1", "worker-1", attached=False)], [])

    assert (claim.volume, claim.attached) == ("pvc-1", False)


def test_an_inline_volume_brings_its_handle_with_it() -> None:
    inline = attachment("x", "worker-1")
    inline["spec"]["source"] = {"inlineVolumeSpec": {"csi": {"volumeHandle": "pvc-7"}}}

    (claim,) = claims([inline], [])

    assert claim.volume == "pvc-7"


def test_attachments_of_other_drivers_and_without_a_status_are_told_apart() -> None:
    other = attachment("pvc-1", "worker-1")
    other["spec"]["attacher"] = "somebody.else"
    fresh = attachment("pvc-2", "worker-1")
    del fresh["status"]

    (claim,) = claims([other, fresh], [])

    assert (claim.volume, claim.attached) == ("pvc-2", False)


def test_a_claim_to_a_volume_that_nobody_may_write_to_is_one_to_read() -> None:
    shared = persistent_volume("a", "pvc-1", accessModes=["ReadOnlyMany"])
    written = persistent_volume("b", "pvc-2", accessModes=["ReadWriteOnce"])

    held = claims([attachment("a", "w"), attachment("b", "w")], [shared, written])

    assert {claim.volume: claim.read_only for claim in held} == {"pvc-1": True, "pvc-2": False}


def test_an_attachment_without_a_sane_time_counts_as_the_oldest() -> None:
    odd = attachment("pvc-1", "w")
    odd["metadata"]["creationTimestamp"] = "yesterday"

    (claim,) = claims([odd], [])

    assert claim.since == 0.0
