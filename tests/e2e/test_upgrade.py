"""Volumes and PersistentVolumes that the existing driver has left."""

import asyncio
import subprocess
import uuid
from pathlib import Path

from libs.kube.paths import PERSISTENT_VOLUMES
from tests.e2e.objects import CLAIM, POD, Item, claim, pod
from tests.e2e.programs import OLD_PREFIX
from tests.e2e.world import World, until
from tests.kube.shipped import DRIVER

SIZE = 320 * 2**20


def make_old_volume(world: World, name: str) -> None:
    """Make a volume with data as that driver does: a file disk, and a filesystem on it."""
    path = f"/raid10/volumes/{name}.img"
    said = world.device.run(
        f"/disk/add type=file file-path={path} file-size={SIZE} slot={name} "
        f"nvme-tcp-export=yes nvme-tcp-server-port=4420 nvme-tcp-server-nqn={OLD_PREFIX}:{name}"
    )
    assert not said, said
    (image,) = world.site.ground.files.rglob(f"{name}.img")
    place = world.site.ground.directory / "old"
    place.mkdir()
    run("mkfs.xfs", "-q", image)
    run("mount", "-o", "loop", image, place)
    try:
        (place / "text").write_text("from-before\n")
    finally:
        run("umount", place)
        place.rmdir()


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603


def old_persistent_volume(world: World, name: str) -> Item:
    spec = {
        "capacity": {"storage": str(SIZE)},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": "rds-xfs",
        "volumeMode": "Filesystem",
        "claimRef": {"namespace": world.namespace, "name": "old"},
        "csi": {
            "driver": DRIVER,
            "volumeHandle": name,
            "fsType": "xfs",
            "volumeAttributes": {
                "rdsAddress": "127.0.0.1",
                "nvmeAddress": "127.0.0.1",
                "nvmePort": "4420",
                "nqn": f"{OLD_PREFIX}:{name}",
                "volumePath": f"/raid10/volumes/{name}.img",
                "storage.kubernetes.io/csiProvisionerIdentity": f"1700000000000-8081-{DRIVER}",
            },
        },
    }
    marks = {"pv.kubernetes.io/provisioned-by": DRIVER}
    return {"metadata": {"name": name, "annotations": marks}, "spec": spec}


async def test_an_old_volume_is_used_expanded_and_deleted(world: World) -> None:
    name = f"pvc-{uuid.uuid4()}"
    await asyncio.to_thread(make_old_volume, world, name)
    await world.kube.create(PERSISTENT_VOLUMES, old_persistent_volume(world, name))
    item = claim("old", str(SIZE), "rds-xfs")
    item["spec"]["volumeName"] = name
    await world.make(CLAIM, item)
    await world.make(POD, pod("user", "old"))
    await world.runs("user")
    text = await world.read("user")
    before = await world.kilobytes("user")
    await world.ask_for("old", "448Mi")

    async def is_larger() -> bool:
        return await world.kilobytes("user") == before + 128 * 1024

    await until("the filesystem has grown", is_larger)
    await world.remove(POD, "user")
    await world.remove(CLAIM, "old")
    await world.path_gone(f"{PERSISTENT_VOLUMES}/{name}")

    assert text == "from-before"
    assert not await asyncio.to_thread(world.device.volumes)
    assert not await asyncio.to_thread(world.device.files)
