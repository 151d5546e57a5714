"""`rds-csi-mock-rds`: the simulated device as a process."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import asyncssh
import structlog

from libs.core.errors import Unsupported
from libs.mockrds.configtree import kernel_tree
from libs.mockrds.control import open_control
from libs.mockrds.dataplane import DataPlane, NoData, SparseFiles
from libs.mockrds.device import Device
from libs.mockrds.errors import ConsoleError
from libs.mockrds.hardware import Hardware
from libs.mockrds.mock import Access, MockRds
from libs.mockrds.options import Options, parse_options
from libs.mockrds.server import open_mock
from libs.mockrds.silence import hear_again
from libs.mockrds.snmp import open_snmp
from libs.mockrds.store import Store
from libs.mockrds.target import ExportedFiles
from libs.mockrds.testing import public_text


def _host_key(path: Path | None) -> asyncssh.SSHKey:
    if path is not None and path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519")
    if path is not None:
        path.touch(mode=0o600)
        key.write_private_key(path)
    return key


def _plane(options: Options) -> DataPlane:
    if options.disk_files is None:
        return NoData()
    if not options.nvme_target:
        return SparseFiles(options.disk_files)
    options.disk_files.mkdir(parents=True, exist_ok=True)
    cuts = options.nvme_fencing == "cut"
    return ExportedFiles(options.disk_files, kernel_tree(), options.nvme_target, cuts=cuts)


def _mock(options: Options) -> MockRds:
    file = options.authorized_keys
    keys = asyncssh.read_public_key_list(file) if file is not None else []
    device = Device(
        list(options.pools),
        _plane(options),
        version=options.release,
        json_decimals=options.json_decimals,
        strict_empty=options.strict_empty,
        read_only_user=options.read_only_user,
        hardware=Hardware(drives=list(options.drives)),
    )
    store = Store(options.data) if options.data else None
    if store is not None:
        store.load(device)
    return MockRds(
        device=device,
        store=store,
        style=options.style,
        access=Access(options.user, options.password, tuple(keys)),
        latency=options.latency,
        sessions=options.sessions,
        honest_status=options.honest_status,
    )


async def _serve(options: Options) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    mock, key = _mock(options), _host_key(options.host_key)
    if options.nvme_target:
        await hear_again()  # whoever was killed may have left it deaf
    async with contextlib.AsyncExitStack() as stack:
        host, port = options.listen
        port = await stack.enter_async_context(open_mock(mock, host, port, key))
        control = None
        if options.control is not None:
            at = await stack.enter_async_context(open_control(mock, *options.control))
            control = f"http://{options.control[0]}:{at}"
        snmp = None
        if options.snmp is not None:
            where, wanted = options.snmp
            agent = open_snmp(lambda: mock.device, where, wanted, options.snmp_access)
            snmp = f"{where}:{await stack.enter_async_context(agent)}"
        ready = {
            "ssh": f"{host}:{port}",
            "control": control,
            "snmp": snmp,
            "host_key": public_text(key),
            "user": options.user,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        asyncio.run(_serve(parse_options(sys.argv[1:], os.environ)))
    except (OSError, ValueError, asyncssh.KeyImportError, ConsoleError, Unsupported) as error:
        sys.exit(f"rds-csi-mock-rds: {error}")


if __name__ == "__main__":
    main()
