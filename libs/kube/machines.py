"""KubeVirt machines, found by the pods that run them."""

from libs.kube.answers import Object
from libs.kube.client import KubeClient

_SELECTOR = "labelSelector=kubevirt.io%3Dvirt-launcher"


async def machine_of_claim(kube: KubeClient, namespace: str, claim: str) -> str:
    """Return the virtual machine that uses a PersistentVolumeClaim, as `namespace/name`.

    Empty where there is none. Of a live migration's two pods both belong to the same machine.

    Raises:
        Unreachable: the API does not answer.
    """
    async for page in kube.list(f"/api/v1/namespaces/{namespace}/pods", query=_SELECTOR):
        for pod in page.items:
            name = _owner(pod) if claim in _claims_of(pod) else ""
            if name:
                return f"{namespace}/{name}"
    return ""


def _claims_of(pod: Object) -> set[object]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return {(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes}


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or []
    names = (o["name"] for o in owners if o.get("kind") == "VirtualMachineInstance")
    return next(names, "")
