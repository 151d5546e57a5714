"""Certificates of the admin APIs, made as an installation without cert-manager makes them."""

import asyncio
import base64
from pathlib import Path

import yaml

from tests.monitoring.generate import ROOT

_FOLDERS = {
    "rds-csi-controller-admin": "controller-tls",
    "rds-csi-reconciler-admin": "reconciler-tls",
}


async def make_certificates(path: Path) -> None:
    """Write the files of controller and reconciler, each into a directory of its own."""
    process = await asyncio.create_subprocess_exec(
        str(ROOT / "k8s" / "make-admin-certificates"), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    for secret in yaml.safe_load_all(output):
        folder = _FOLDERS.get(secret["metadata"]["name"]) if secret else None
        if folder is not None:
            (path / folder).mkdir()
            for name, content in secret["data"].items():
                (path / folder / name).write_bytes(base64.b64decode(content))
