"""Certificates of the admin APIs: those of cert-manager, and those that the script makes."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.csikit.callers import names_of
from libs.csikit.tls import TlsFiles, client_context, server_context
from tests.k8s.render import K8S, call, overlay
from tests.k8s.services import settings_of
from tests.waiting import PATIENCE

CERTIFICATES = K8S / "components/cert-manager/certificates.yaml"
SCRIPT = K8S / "make-admin-certificates"
SERVERS = ("rds-csi-controller", "rds-csi-reconciler")


def issued() -> dict[str, Any]:
    """Return the specs of cert-manager's Certificates, by common name."""
    items = yaml.safe_load_all(CERTIFICATES.read_text())
    specs = [item["spec"] for item in items if item["kind"] == "Certificate"]
    return {spec["commonName"]: spec for spec in specs}


@pytest.fixture
def made(tmp_path: Path) -> dict[str, TlsFiles]:
    """Give what the script makes, by the Secret, as the kubelet would mount it."""
    found = {}
    for secret in yaml.safe_load_all(call(SCRIPT, "rds-csi")):
        directory = tmp_path / secret["metadata"]["name"]
        directory.mkdir()
        for name, text in secret["data"].items():
            (directory / name).write_bytes(base64.b64decode(text))
        paths = [directory / name for name in ("tls.crt", "tls.key", "ca.crt")]
        found[secret["metadata"]["name"]] = TlsFiles(*paths)
    return found


async def caller(server: TlsFiles, client: TlsFiles, name: str) -> tuple[str, ...]:
    """Connect by the name of the server; return the names that it knows the caller by."""
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(writer.get_extra_info("peercert"))
        writer.close()

    serving = await asyncio.start_server(note, "127.0.0.1", 0, ssl=server_context(server))
    async with serving, asyncio.timeout(PATIENCE):
        port = serving.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(client), server_hostname=name
        )
        certificate = await seen.get()
        writer.close()
    return names_of(certificate)


def test_cert_manager_and_the_script_fill_the_same_secrets(made: dict[str, TlsFiles]) -> None:
    asked = {spec["secretName"] for name, spec in issued().items() if not spec.get("isCA")}

    assert asked == set(made)


@pytest.mark.parametrize("name", SERVERS)
def test_cert_manager_makes_servers_the_names_that_they_are_called_by(name: str) -> None:
    spec = issued()[name]

    assert {name, f"{name}.rds-csi.svc"} <= set(spec["dnsNames"])
    assert "server auth" in spec["usages"]


def test_those_who_may_call_are_those_who_have_a_certificate_for_it() -> None:
    found, by_name = overlay("ha"), issued()

    allowed = {
        *settings_of(found, "controller").admin_allowed_clients,
        *settings_of(found, "reconciler").admin_allowed_clients,
    }

    clients = {name for name, spec in by_name.items() if "client auth" in spec.get("usages", ())}
    assert allowed == clients == {"rds-csi-reconciler", "rdsctl"}


async def test_the_reconciler_reaches_the_controller_with_what_the_script_makes(
    made: dict[str, TlsFiles],
) -> None:
    server, client = made["rds-csi-controller-admin"], made["rds-csi-reconciler-admin"]

    names = await caller(server, client, "rds-csi-controller")

    assert "rds-csi-reconciler" in names


async def test_people_reach_the_reconciler_with_what_the_script_makes(
    made: dict[str, TlsFiles],
) -> None:
    server, client = made["rds-csi-reconciler-admin"], made["rds-csi-rdsctl"]

    names = await caller(server, client, "rds-csi-reconciler")

    assert names == ("rdsctl",)


def test_only_their_own_secrets_are_mounted() -> None:
    found = overlay("ha")

    mounted = {
        volume["secret"]["secretName"]
        for kind, name in (("Deployment", name) for name in SERVERS)
        for volume in found[kind, name]["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }

    assert mounted == {"rds-csi-device", *(f"{name}-admin" for name in SERVERS)}
