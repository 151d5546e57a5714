"""A device that says and hears nothing: its packets are dropped, whichever way they go.

`tc` drops them where they enter and leave the host's interfaces, loopback among them. Nobody is
told of anything: no connection is refused or reset.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Iterable

from libs.core.errors import Unsupported

_PREFERENCE = 48620
"""Of our filters; others on the same interfaces are left alone. IPv6 has the next one."""
_LIMIT = 20.0
_PROTOCOLS = ("ip", "ipv6")


@contextlib.asynccontextmanager
async def silence(ports: Iterable[int]) -> AsyncIterator[None]:
    """Drop all packets from and to these TCP ports of this host until the block ends.

    Raises:
        Unsupported: there is no `tc`, or this process may not use it.
    """
    ports = sorted(set(ports))
    interfaces = [name for _, name in socket.if_nameindex()]
    try:
        await _tc([line for name in interfaces for line in _dropping(name, ports)], force=False)
        yield
    finally:
        await hear_again()


async def hear_again() -> None:
    """Drop nothing any more, whoever began; without `tc` nobody did."""
    if shutil.which("tc") is None:
        return
    names = [name for _, name in socket.if_nameindex()]
    # What is not there cannot be removed, and that is no error here.
    await _tc([line for name in names for line in _hearing(name)], force=True)


def _dropping(interface: str, ports: list[int]) -> list[str]:
    lines = [f"qdisc replace dev {interface} clsact"]
    for offset, protocol in enumerate(_PROTOCOLS):
        for way, end in (("egress", "src_port"), ("ingress", "dst_port")):
            start = f"filter add dev {interface} {way} pref {_PREFERENCE + offset}"
            lines += [
                f"{start} protocol {protocol} flower ip_proto tcp {end} {port} action drop"
                for port in ports
            ]
    return lines


def _hearing(interface: str) -> list[str]:
    return [
        f"filter del dev {interface} {way} pref {_PREFERENCE + offset}"
        for way in ("egress", "ingress")
        for offset in range(len(_PROTOCOLS))
    ]


async def _tc(lines: list[str], *, force: bool) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *("tc", *(("-force",) if force else ()), "-batch", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise Unsupported("a partition needs tc (iproute2)", detail=str(error)) from error
    try:
        async with asyncio.timeout(_LIMIT):
            _, complaint = await process.communicate("".join(f"{x}\n" for x in lines).encode())
    except TimeoutError:
        raise Unsupported(f"tc did not end within {_LIMIT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode and not force:
        raise Unsupported(
            "tc could not drop packets: that takes root, and a kernel with sch_ingress, cls_flower "
            "and act_gact",
            detail=complaint.decode(errors="replace"),
        )
