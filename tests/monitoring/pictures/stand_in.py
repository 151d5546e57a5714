"""Stands in for the kubelet and kube-state-metrics: what they would say of the volumes here.

The numbers of filesystems are the node plugin's own, asked for with NodeGetVolumeStats as kubelets
do; those of objects are what the API server has.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import web
from grpclib import GRPCError

from protos.gen.csi import v1 as csi
from tests.fakes.apiserver import ATTACHMENTS, VOLUMES
from tests.monitoring.pictures.site import Site, free_address


@contextlib.asynccontextmanager
async def open_stand_in(site: Site) -> AsyncIterator[None]:
    """Serve their metrics until the block ends."""
    address = free_address()
    host, port = address.split(":")

    async def serve(_: web.Request) -> web.Response:
        lines = [*_objects(site), *[line async for line in _filesystems(site)]]
        return web.Response(text="\n".join([*lines, ""]))

    application = web.Application()
    application.router.add_get("/metrics", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
        site.targets["kubernetes"] = {address: "kubernetes"}
        yield
    finally:
        await runner.cleanup()


def _objects(site: Site) -> Iterator[str]:
    for name, item in site.api.objects.get(VOLUMES, {}).items():
        source, claim = item["spec"]["csi"], item["spec"]["claimRef"]
        yield (
            f'kube_persistentvolume_info{{persistentvolume="{name}",csi_driver="{source["driver"]}"'
            f',csi_volume_handle="{source["volumeHandle"]}"}} 1'
        )
        yield (
            f'kube_persistentvolume_claim_ref{{persistentvolume="{name}",name="{claim["name"]}"'
            f',claim_namespace="{claim["namespace"]}"}} 1'
        )
    for name, item in site.api.objects.get(ATTACHMENTS, {}).items():
        spec = item["spec"]
        yield (
            f'kube_volumeattachment_info{{volumeattachment="{name}",attacher="{spec["attacher"]}"'
            f',node="{spec["nodeName"]}"}} 1'
        )
        yield (
            f'kube_volumeattachment_spec_source_persistentvolume{{volumeattachment="{name}"'
            f',volumename="{spec["source"]["persistentVolumeName"]}"}} 1'
        )


async def _filesystems(site: Site) -> AsyncIterator[str]:
    for item in list(site.api.objects.get(ATTACHMENTS, {}).values()):
        name, node = item["spec"]["source"]["persistentVolumeName"], item["spec"]["nodeName"]
        if node not in site.nodes or name not in site.api.objects[VOLUMES]:
            continue
        if not site.target(node, name).is_mount():
            continue  # no pod runs
        claim = site.api.objects[VOLUMES][name]["spec"]["claimRef"]
        request = csi.NodeGetVolumeStatsRequest(
            volume_id=name, volume_path=str(site.target(node, name))
        )
        try:
            answer = await site.nodes[node].node_get_volume_stats(request)
        except GRPCError:
            continue  # on its way
        labels = f'{{namespace="{claim["namespace"]}",persistentvolumeclaim="{claim["name"]}"}}'
        abnormal = answer.volume_condition is not None and answer.volume_condition.abnormal
        yield f"kubelet_volume_stats_health_status_abnormal{labels} {int(abnormal)}"
        for usage in answer.usage:
            ending = "bytes" if usage.unit is csi.VolumeUsageUnit.BYTES else "inodes"
            names = (
                ("used_bytes", "capacity_bytes") if ending == "bytes" else ("inodes_used", ending)
            )
            yield f"kubelet_volume_stats_{names[0]}{labels} {usage.used}"
            yield f"kubelet_volume_stats_{names[1]}{labels} {usage.total}"
