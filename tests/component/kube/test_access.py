"""Where the address, the CA and the token come from, against a server that checks them."""

import asyncio
import base64
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.core.errors import Unreachable
from libs.kube.access import access_of_pod
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import Forbidden
from tests.fakes.apiserver import NODES, ApiServer, running_api
from tests.fakes.certificates import Authority


@dataclass
class Pod:
    """A pod: the files that the kubelet mounts, and the variables that it sets."""

    api: ApiServer
    account: Path
    environ: Mapping[str, str]

    def write_token(self, text: str) -> None:
        (self.account / "token").write_text(text)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ADDRESSES = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
]


@pytest.fixture(params=ADDRESSES)
async def pod(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pod]:
    host: str = request.param
    tls = Authority(tmp_path).server(host)
    async with running_api(tmp_path, host=host, tls=tls) as api:
        await api.put(NODES, {"metadata": {"name": "worker-1"}})
        api.token = "secret-1"
        environ = {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(api.port),
        }
        pod = Pod(api, tmp_path, environ)
        pod.write_token("secret-1\n")
        yield pod


async def is_there(kube: KubeClient) -> bool:
    return await kube.get(f"{NODES}/worker-1") is not None


async def test_a_pod_reaches_its_cluster_with_its_token_over_verified_tls(pod: Pod) -> None:
    async with open_kube(None, pod.environ, pod.account) as kube:
        assert await is_there(kube)
        assert set(pod.api.tokens) == {"Bearer secret-1"}


async def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(
    pod: Pod, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    (pod.account / "ca.crt").write_bytes(other.file.read_bytes())

    async with open_kube(None, pod.environ, pod.account) as kube:
        with pytest.raises(Unreachable, match="does not answer") as caught:
            await kube.get(f"{NODES}/worker-1")

    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.detail
    assert pod.api.tokens == []


async def test_a_server_whose_certificate_is_for_another_address_is_not_spoken_to(
    tmp_path: Path,
) -> None:
    tls = Authority(tmp_path).server("192.0.2.7")
    (tmp_path / "token").write_text("secret-1")
    async with running_api(tmp_path, tls=tls) as api:
        environ = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api.port),
        }

        async with open_kube(None, environ, tmp_path) as kube:
            with pytest.raises(Unreachable, match="does not answer"):
                await kube.get(f"{NODES}/worker-1")

        assert api.tokens == []


async def test_a_token_that_was_replaced_is_found_after_a_minute(pod: Pod) -> None:
    now = 1000.0
    access = await access_of_pod(pod.environ, pod.account, clock=lambda: now)
    pod.write_token("secret-2")

    early = await access.credentials.header()
    now += 61
    late = await access.credentials.header()

    assert (early, late) == ("Bearer secret-1", "Bearer secret-2")


async def test_a_token_that_is_refused_is_read_anew_at_once(pod: Pod) -> None:
    async with open_kube(None, pod.environ, pod.account) as kube:
        pod.api.token = "secret-2"
        pod.write_token("secret-2")

        with pytest.raises(Forbidden, match="credentials"):
            await kube.get(f"{NODES}/worker-1")

        assert await is_there(kube)


@pytest.mark.parametrize("text", ["", "two\nlines", "\x00"])
async def test_a_token_file_that_is_damaged_for_a_moment_does_not_lose_the_token(
    pod: Pod, text: str
) -> None:
    now = 1000.0
    access = await access_of_pod(pod.environ, pod.account, clock=lambda: now)
    pod.write_token(text)
    now += 61

    assert await access.credentials.header() == "Bearer secret-1"


async def test_a_token_does_not_print(pod: Pod) -> None:
    access = await access_of_pod(pod.environ, pod.account)

    assert "secret-1" not in repr(access)


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
async def test_without_the_variables_of_a_pod_there_is_a_sentence(pod: Pod, missing: str) -> None:
    environ = {key: value for key, value in pod.environ.items() if key != missing}

    with pytest.raises(Unreachable, match="from a pod's service account") as caught:
        await access_of_pod(environ, pod.account)

    assert missing in caught.value.detail


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
async def test_without_a_service_account_there_is_a_sentence(pod: Pod, missing: str) -> None:
    (pod.account / missing).unlink()

    with pytest.raises(Unreachable, match="from a pod's service account") as caught:
        await access_of_pod(pod.environ, pod.account)

    assert missing in caught.value.detail


@pytest.mark.parametrize("damage", ["", "not a certificate"])
async def test_a_ca_file_that_has_no_certificate_is_a_sentence(pod: Pod, damage: str) -> None:
    (pod.account / "ca.crt").write_text(damage)

    with pytest.raises(Unreachable, match="from a pod's service account"):
        await access_of_pod(pod.environ, pod.account)


# Kubeconfig files


def write_kubeconfig(api: ApiServer, cluster: dict[str, object], user: dict[str, object]) -> None:
    config = json.loads(api.kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= cluster
    config["users"][0]["user"] = user
    api.kubeconfig.write_text(json.dumps(config))


async def test_an_exec_plugin_of_a_kubeconfig_gives_the_token(tmp_path: Path) -> None:
    status = {"token": "from-plugin"}
    kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps({**kind, 'status': status})}'\n")
    plugin.chmod(0o700)
    user: dict[str, object] = {
        "exec": {"apiVersion": kind["apiVersion"], "command": str(plugin), "args": []}
    }
    async with running_api(tmp_path) as api:
        await api.put(NODES, {"metadata": {"name": "worker-1"}})
        api.token = "from-plugin"
        write_kubeconfig(api, {}, user)

        async with open_kube(api.kubeconfig) as kube:
            assert await is_there(kube)


async def test_a_kubeconfig_brings_its_authority_or_waives_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    data = base64.b64encode(authority.file.read_bytes()).decode()
    trusted: dict[str, object] = {"certificate-authority-data": data}
    async with running_api(tmp_path, tls=authority.server("127.0.0.1")) as api:
        await api.put(NODES, {"metadata": {"name": "worker-1"}})

        async with open_kube(api.kubeconfig) as kube:
            with pytest.raises(Unreachable, match="does not answer"):
                await is_there(kube)
        write_kubeconfig(api, trusted, {"token": "t"})
        async with open_kube(api.kubeconfig) as kube:
            assert await is_there(kube)
        write_kubeconfig(api, {"insecure-skip-tls-verify": True}, {"token": "t"})
        async with open_kube(api.kubeconfig) as kube:
            assert await is_there(kube)


@pytest.mark.parametrize("text", ["", "[]", "{", "a: b: c", '{"clusters": 3}', "\x00"])
async def test_a_kubeconfig_that_makes_no_sense_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    with pytest.raises(Unreachable, match="no access to Kubernetes from the file"):
        async with open_kube(path):
            pass


def test_the_chain_is_verified_whatever_python_thinks_of_old_authorities(tmp_path: Path) -> None:
    context = asyncio.run(_pod_context(tmp_path))

    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


async def _pod_context(path: Path) -> ssl.SSLContext | None:
    Authority(path)
    (path / "token").write_text("t")
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"}
    return (await access_of_pod(environ, path)).tls


async def test_the_large_client_library_is_not_loaded_for_a_pod() -> None:
    program = (
        "import sys, libs.kube.client, libs.kube.events; print('kubernetes_asyncio' in sys.modules)"
    )

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()

    assert out.decode().strip() == "False"
