"""How the parts of a control plane are called."""

import contextlib
import json
import socket
from functools import partial
from pathlib import Path
from typing import Protocol

from libs.mockkube.testing import render_kubeconfig

HOST = "127.0.0.1"
FIRST_SERVICE = "10.99.0.1"
_SERVICES = "10.99.0.0/24"


class Places(Protocol):
    """Where the parts are, and find each other."""

    directory: Path
    binaries: Path

    @property
    def url(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def etcd_url(self) -> str: ...
    @property
    def peer_url(self) -> str: ...
    @property
    def authority(self) -> Path: ...


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listened on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def _flags(**flags: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


def etcd_command(cluster: Places) -> list[str | Path]:
    flags = _flags(
        name="test",
        data_dir=cluster.directory / "etcd",
        listen_client_urls=cluster.etcd_url,
        advertise_client_urls=cluster.etcd_url,
        listen_peer_urls=cluster.peer_url,
        initial_advertise_peer_urls=cluster.peer_url,
        initial_cluster=f"test={cluster.peer_url}",
        log_level="warn",
    )
    return [cluster.binaries / "etcd", *flags]


def api_command(cluster: Places) -> list[str | Path]:
    own = partial(Path, cluster.directory)
    flags = _flags(
        etcd_servers=cluster.etcd_url,
        bind_address=HOST,
        advertise_address=HOST,
        secure_port=cluster.port,
        endpoint_reconciler_type="none",
        tls_cert_file=own("server.crt"),
        tls_private_key_file=own("server.key"),
        client_ca_file=own("ca.crt"),
        token_auth_file=own("tokens.csv"),
        kubelet_client_certificate=own("kubelet-client.crt"),
        kubelet_client_key=own("kubelet-client.key"),
        cert_dir=own("certificates"),
        service_account_issuer="https://kubernetes.default.svc",
        service_account_key_file=own("accounts.pub"),
        service_account_signing_key_file=own("accounts.key"),
        api_audiences="https://kubernetes.default.svc",
        service_cluster_ip_range=_SERVICES,
        authorization_mode="Node,RBAC",
        allow_privileged="true",
    )
    return [cluster.binaries / "kube-apiserver", *flags]


def component_command(cluster: Places, component: str) -> list[str | Path]:
    path = cluster.directory / f"{component}.kubeconfig"
    config = render_kubeconfig(cluster.url, "", str(cluster.authority))
    keys = {
        "client-certificate": str(cluster.directory / f"{component}.crt"),
        "client-key": str(cluster.directory / f"{component}.key"),
    }
    config["users"] = [{"name": "u", "user": keys}]
    path.write_text(json.dumps(config))
    (port,) = free_ports(1)
    flags = _flags(
        kubeconfig=path,
        authentication_kubeconfig=path,
        authorization_kubeconfig=path,
        leader_elect="false",
        bind_address=HOST,
        secure_port=port,
        cert_dir=cluster.directory / f"{component}-certificates",
        port=0,  # 1.20 has a second, open one
    )
    if component == "kube-controller-manager":
        flags += _flags(
            service_account_private_key_file=cluster.directory / "accounts.key",
            root_ca_file=cluster.authority,
            use_service_account_credentials="true",
        )
    return [cluster.binaries / component, *flags]
