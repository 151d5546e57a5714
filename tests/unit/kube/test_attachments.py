from typing import Any

from libs.kube.attachments import Claim, join_claims

DRIVER = "rds.csi.srvlab.io"


def attachment(volume: str, node: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"csi-{volume}-{node}", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {
            "attacher": DRIVER,
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        },
        "status": status,
    }


def persistent_volume(name: str, handle: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"csi": {"driver": DRIVER, "volumeHandle": handle}}}


def test_an_attachment_is_about_the_handle_of_its_persistent_volume() -> None:
    claims = join_claims(
        [attachment("static-pv", "worker-1", attached=True)],
        [persistent_volume("static-pv", "pvc-1")],
        DRIVER,
    )

    assert claims == (
        Claim("pvc-1", "worker-1", True, "2026-01-02T03:04:05Z", "csi-static-pv-worker-1"),  # noqa: FBT003 (positional, as declared)
    )


def test_an_attachment_whose_persistent_volume_is_gone_still_counts() -> None:
    (claim,) = join_claims([attachment("pvc-1", "worker-1", attached=False)], [], DRIVER)

    assert (claim.volume, claim.attached) == ("pvc-1", False)


def test_an_inline_volume_brings_its_handle_with_it() -> None:
    inline = attachment("x", "worker-1")
    inline["spec"]["source"] = {"inlineVolumeSpec": {"csi": {"volumeHandle": "pvc-7"}}}

    (claim,) = join_claims([inline], [], DRIVER)

    assert claim.volume == "pvc-7"


def test_attachments_of_other_drivers_and_without_a_status_are_told_apart() -> None:
    other = attachment("pvc-1", "worker-1")
    other["spec"]["attacher"] = "somebody.else"
    fresh = attachment("pvc-2", "worker-1")
    del fresh["status"]

    (claim,) = join_claims([other, fresh], [], DRIVER)

    assert (claim.volume, claim.attached) == ("pvc-2", False)
