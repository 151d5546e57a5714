"""`rds-csi-mock-kube`: the stand-in for a Kubernetes API server as a process."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from pathlib import Path

from libs.mockkube.accounts import Account
from libs.mockkube.control import open_control
from libs.mockkube.options import Options, parse_options
from libs.mockkube.running import RunningKube, add_namespaces, open_mock_kube
from libs.mockkube.server import MockKube
from libs.mockkube.testing import NODES, TOKEN, render_kubeconfig


def _mock(options: Options) -> MockKube:
    mock = MockKube(accounts={options.token: Account()} if options.token else {})
    add_namespaces(mock.store, options.namespaces)
    for name in options.nodes:
        mock.store.create(mock.store.target(NODES), {"metadata": {"name": name}})
    return mock


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def _write_kubeconfig(options: Options, running: RunningKube) -> None:
    if options.kubeconfig is None:
        return
    url = running.url
    if options.advertise:
        url = f"{url.partition(':')[0]}://{options.advertise}:{running.port}"
    authority = str(options.authority or "")
    config = render_kubeconfig(url, options.token or TOKEN, authority)
    # Whoever waits for the file finds it whole.
    new = options.kubeconfig.with_name(options.kubeconfig.name + ".new")
    new.write_text(json.dumps(config))
    new.replace(options.kubeconfig)


async def _serve(options: Options) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    tls = _tls(options.certificate)
    async with contextlib.AsyncExitStack() as stack:
        opened = open_mock_kube(_mock(options), *options.listen, tls=tls)
        running = await stack.enter_async_context(opened)
        control = None
        if options.control is not None:
            at = await stack.enter_async_context(open_control(running, *options.control))
            control = f"http://{options.control[0]}:{at}"
        _write_kubeconfig(options, running)
        ready = {
            "api": running.url,
            "control": control,
            "kubeconfig": str(options.kubeconfig) if options.kubeconfig else None,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        asyncio.run(_serve(parse_options(sys.argv[1:], os.environ)))
    except (OSError, ValueError) as error:
        sys.exit(f"rds-csi-mock-kube: {error}")


if __name__ == "__main__":
    main()
