# ruff: noqa: INP001 (a program by itself, and in no package)
"""Take snapshots of the claims that ask for it, and remove old ones: one run of one schedule.

A claim asks by its label `rds.csi.srvlab.io/snapshots`: the schedules, joined by dots. It runs from
a ConfigMap in the image of the reconciler, whose Kubernetes client it uses.
"""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.core.errors import RdsCsiError
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import ObjectExists, ObjectMissing

ASKS = "rds.csi.srvlab.io/snapshots"
SCHEDULE = "rds.csi.srvlab.io/schedule"
OF = "rds.csi.srvlab.io/claim"
"""A label of a snapshot: the UID of its claim. The name can be that of a later claim."""

CLAIMS = "/api/v1/persistentvolumeclaims"
GROUP = "/apis/snapshot.storage.k8s.io/v1"
LONGEST_NAME = 253

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What one schedule does.

    Attributes:
        schedule: its name.
        keep: how many snapshots of each claim stay.
        snapshot_class: the VolumeSnapshotClass.
        run: what tells this run from others, and stays when it is tried again.
        kubeconfig: where the cluster is; the pod's own, where it is None.
    """

    schedule: str
    keep: int
    snapshot_class: str
    run: str
    kubeconfig: Path | None


def parse(argv: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser("snapshots", description=__doc__)
    parser.add_argument("--schedule", required=True, type=_word, help="its name")
    parser.add_argument("--keep", required=True, type=_count, help="how many stay of each claim")
    parser.add_argument("--snapshot-class", required=True, help="the VolumeSnapshotClass")
    parser.add_argument("--run", required=True, help="the name of this run, such as the Job's")
    parser.add_argument("--kubeconfig", type=Path, help="kubeconfig file; the pod's own without it")
    return Options(**vars(parser.parse_args(argv)))


def _word(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be small letters, digits and hyphens")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, and at least 1")
    return int(text)


def is_due(claim: Item, schedule: str) -> bool:
    """Say whether a claim asks for this schedule, and has a volume."""
    wanted = (claim["metadata"].get("labels") or {}).get(ASKS, "").split(".")
    is_bound = claim.get("status", {}).get("phase") == "Bound"
    return schedule in wanted and is_bound and "deletionTimestamp" not in claim["metadata"]


def render(claim: Item, options: Options) -> dict[str, Any]:
    """Return the snapshot of a claim that this run takes."""
    metadata = claim["metadata"]
    suffix = f"-{options.run}"
    return {
        "metadata": {
            "name": metadata["name"][: LONGEST_NAME - len(suffix)].rstrip(".-") + suffix,
            "labels": {SCHEDULE: options.schedule, OF: metadata["uid"]},
        },
        "spec": {
            "volumeSnapshotClassName": options.snapshot_class,
            "source": {"persistentVolumeClaimName": metadata["name"]},
        },
    }


def too_old(snapshots: Iterable[Item], keep: int) -> list[Item]:
    """Return what is to be removed of the snapshots of one claim by one schedule.

    Only those that can be restored count, so that a schedule that fails for weeks removes nothing.
    One that is not ready goes when as many newer ones are.
    """
    ready, old = 0, []
    for snapshot in sorted(snapshots, key=_age, reverse=True):
        if ready >= keep and "deletionTimestamp" not in snapshot["metadata"]:
            old.append(snapshot)
        ready += snapshot.get("status", {}).get("readyToUse") is True
    return old


def _age(snapshot: Item) -> tuple[str, str]:
    metadata = snapshot["metadata"]
    return metadata["creationTimestamp"], metadata["name"]


async def take(kube: KubeClient, claim: Item, options: Options) -> None:
    """Take the snapshot of a claim, unless an earlier try of this run has."""
    namespace = claim["metadata"]["namespace"]
    item = render(claim, options)
    full = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", **item}
    try:
        await kube.create(f"{GROUP}/namespaces/{namespace}/volumesnapshots", full)
    except ObjectExists:
        return
    say(f"taken: {namespace}/{item['metadata']['name']}")


async def prune(kube: KubeClient, claims: Iterable[Item], options: Options) -> None:
    """Remove what is too old of claims that still ask.

    Snapshots of claims that are gone, or do not ask any more, stay: nobody would make new ones.
    """
    of_claim: dict[str, list[Item]] = {claim["metadata"]["uid"]: [] for claim in claims}
    query = f"labelSelector={SCHEDULE}%3D{options.schedule}"
    async for page in kube.list(f"{GROUP}/volumesnapshots", query=query):
        for snapshot in page.items:
            uid = snapshot["metadata"]["labels"].get(OF, "")
            if uid in of_claim:
                of_claim[uid].append(snapshot)
    for snapshots in of_claim.values():
        for snapshot in too_old(snapshots, options.keep):
            await remove(kube, snapshot)


async def remove(kube: KubeClient, snapshot: Item) -> None:
    """Delete one snapshot, and no other one that has its name by now."""
    metadata = snapshot["metadata"]
    place = f"{GROUP}/namespaces/{metadata['namespace']}/volumesnapshots/{metadata['name']}"
    try:
        await kube.delete(place, uid=metadata["uid"])
    except ObjectMissing:
        return
    say(f"removed: {metadata['namespace']}/{metadata['name']}")


async def run(options: Options, environ: Mapping[str, str]) -> int:
    """Do it all; return how many claims it could not be done for."""
    failed = 0
    async with open_kube(options.kubeconfig, environ) as kube:
        claims = [
            claim
            async for page in kube.list(CLAIMS, query=f"labelSelector={ASKS}")
            for claim in page.items
            if is_due(claim, options.schedule)
        ]
        for claim in claims:
            try:
                await take(kube, claim, options)
            except RdsCsiError as error:
                failed += 1
                name = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
                say(f"not taken of {name}: {error.message} {error.detail}")
        await prune(kube, claims, options)
    say(f"{len(claims) - failed} of {len(claims)} claims have their snapshot")
    return failed


def say(text: str) -> None:
    """Write a line for the log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run with the process's arguments; end with 1 where something was not done."""
    try:
        failed = asyncio.run(run(parse(sys.argv[1:]), os.environ))
    except RdsCsiError as error:
        sys.exit(f"snapshots: {error.message} {error.detail}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
