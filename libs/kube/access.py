"""How the Kubernetes API is reached: from a pod's service account, or from a kubeconfig file.

The Kubernetes client, which costs dozens of MiB, is imported for a kubeconfig file only.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from libs.core.errors import Unreachable

log = structlog.get_logger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token and CA (Kubernetes: Accessing the API from a Pod)."""

_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"

_TOKEN_SECONDS = 60.0
_PLUGIN_SECONDS = 120.0
"""How long a token that was read is used: the kubelet replaces the file long before it expires."""


class Credentials(Protocol):
    """What a client shows of itself."""

    async def header(self) -> str:
        """Return the value of the Authorization header; empty for none."""

    def renounce(self) -> None:
        """Note that the server did not accept it."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that is needed to talk to an API server.

    Attributes:
        server: the base URL, with no slash at its end.
        credentials: who we are.
        tls: verifies the server; None without TLS.
        tls_name: the name in the server's certificate, where it is not the URL's.
        proxy: URL of a proxy.
        trust_environ: whether the environment may name a proxy.
    """

    server: str
    credentials: Credentials
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    proxy: str = ""
    trust_environ: bool = False


def server_url(host: str, port: str) -> str:
    """Return the base URL of the API server of a cluster, whatever kind its address is of."""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


# From a pod


@dataclass(slots=True)
class PodToken:
    """The token of a service account, read anew once a minute, as its file changes now and then."""

    file: Path
    clock: Callable[[], float] = time.monotonic
    _token: str = field(default="", repr=False)
    _read_at: float = 0.0

    async def header(self) -> str:
        """Return the value of the Authorization header.

        Raises:
            Unreachable: there has never been a token.
        """
        if not self._token or self.clock() - self._read_at >= _TOKEN_SECONDS:
            await self._read()
        return f"Bearer {self._token}"

    def renounce(self) -> None:
        """Read the file anew before the next request."""
        self._read_at = self.clock() - _TOKEN_SECONDS

    async def _read(self) -> None:
        self._read_at = self.clock()
        try:
            text = (await asyncio.to_thread(self.file.read_text)).strip()
            problem = "" if text.isascii() and text.isprintable() and text else "no token is in it"
        except (OSError, ValueError) as error:
            text, problem = "", str(error)
        if not problem:
            self._token = text
        elif self._token:
            log.warning("token not read anew", file=str(self.file), reason=problem)
        else:
            raise Unreachable(
                "no access to Kubernetes from a pod's service account",
                detail=f"{self.file}: {problem}",
            )


async def access_of_pod(
    environ: Mapping[str, str],
    account: Path = SERVICE_ACCOUNT,
    clock: Callable[[], float] = time.monotonic,
) -> Access:
    """Return the access that every pod has.

    Args:
        environ: the process's environment, where the kubelet puts the address.
        account: the directory of the service account.
        clock: seconds that only grow.

    Raises:
        Unreachable: this is no pod, or its service account is not mounted.
    """
    sentence = "no access to Kubernetes from a pod's service account"
    host, port = environ.get(_HOST, ""), environ.get(_PORT, "")
    if not host or not port:
        raise Unreachable(sentence, detail=f"{_HOST} or {_PORT} is not set")
    token = PodToken(account / "token", clock)
    await token.header()
    authority = account / "ca.crt"
    try:
        tls = await asyncio.to_thread(_verifying, str(authority))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Unreachable(sentence, detail=f"{authority}: {error}") from error
    return Access(server_url(host, port), token, tls)


def _verifying(authority: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    # Python 3.13 asks for extensions that the CA certificates of some clusters do not have. The
    # chain and the name are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


# From a kubeconfig file


@dataclass(frozen=True, slots=True)
class _Fixed:
    text: str = field(default="", repr=False)

    async def header(self) -> str:
        return self.text

    def renounce(self) -> None:
        """Do nothing: there is no other."""


async def access_of_kubeconfig(path: Path) -> Access:
    """Return the access that the current context of a kubeconfig file gives.

    Exec plugins are run, once: what they give is used until the process ends. One may ask a person
    to log in, so it has two minutes.

    Raises:
        Unreachable: the file is not there, or makes no sense.
    """
    try:
        found = await asyncio.to_thread(_configuration)
        loader = await asyncio.to_thread(_loader)
        async with asyncio.timeout(_PLUGIN_SECONDS):
            await loader(str(path), client_configuration=found)
        tls = await asyncio.to_thread(_tls, found)
    except Exception as error:  # the loader raises whatever a bad file makes it stumble over
        raise Unreachable(
            f"no access to Kubernetes from the file {path}", detail=repr(error)
        ) from error
    return Access(
        server=str(found.host).rstrip("/"),
        credentials=_Fixed(str(found.api_key.get("BearerToken") or "")),
        tls=tls,
        tls_name=found.tls_server_name or "",
        proxy=found.proxy or "",
        trust_environ=True,
    )


def _configuration() -> Any:  # noqa: ANN401 (untyped library)
    from kubernetes_asyncio.client import Configuration  # noqa: PLC0415 (see above)

    return Configuration()


def _loader() -> Callable[..., Any]:
    from kubernetes_asyncio.config import load_kube_config  # noqa: PLC0415 (see above)

    loader: Callable[..., Any] = load_kube_config
    return loader


def _tls(found: Any) -> ssl.SSLContext:  # noqa: ANN401 (untyped library)
    context = _verifying(found.ssl_ca_cert)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, keyfile=found.key_file)
    if not found.verify_ssl:  # the file says insecure-skip-tls-verify
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
