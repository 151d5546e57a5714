"""What is written to /dev/nvme-fabrics, what comes back, and what its errors mean. Pure.

The words are those of `opt_tokens` in drivers/nvme/host/fabrics.c of Linux. They are separated by
commas and nothing is ever quoted, so a value with a comma would be more than one option.
"""

import errno
import ipaddress
import re

from libs.core.address import MAX_PORT
from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, shown
from libs.nvmeof.errors import ConnectFailed
from libs.nvmeof.model import Target

_LONGEST_SECONDS = 2**31 - 1
_SECRET = re.compile(r"DHHC-1:0[0-3]:[A-Za-z0-9+/]{43,96}={0,2}:", re.ASCII)
_ANSWER = re.compile(r"instance=(\d{1,9}),cntlid=\d+\s*", re.ASCII)

HOPELESS = frozenset(
    {errno.EINVAL, errno.ENOKEY, errno.EKEYREJECTED, errno.EACCES, errno.EPERM, errno.EPROTO}
)
"""Errors that a second try does not mend."""

_NETWORK = "check the route, firewalls and the storage interface of the device"
_EXPLANATIONS = {
    errno.EIO: "it answered and refused: check that the volume is exported under this NQN and "
    "port, and that this host's NQN is among those that it allows",
    errno.ECONNREFUSED: "nothing listens at that address and port: check both, and that the device "
    "exports any volume",
    errno.ETIMEDOUT: f"nothing answers at that address: {_NETWORK}",
    errno.EHOSTUNREACH: f"no way leads to that address: {_NETWORK}",
    errno.ENETUNREACH: f"no way leads to that network: {_NETWORK}",
    errno.EAGAIN: "something accepts connections at that address and port and then says nothing: "
    "check that it is an NVMe/TCP target, and that it is not overloaded",
    errno.ECONNRESET: "the connection was closed at once: check that an NVMe/TCP target listens "
    "there",
    errno.EPIPE: "the connection was closed at once: check that an NVMe/TCP target listens there",
    errno.EINVAL: "this kernel does not take the options, or what answers does not speak NVMe/TCP: "
    "check that the module nvme-tcp is loaded, the address and port, and that no other connection "
    "of this host uses its host ID with another host NQN",
    errno.ENOKEY: "it demands authentication, and no secret is set for this volume's connection",
    errno.EKEYREJECTED: "it refused the authentication: check that both sides have the same secret",
    errno.EACCES: "this process may not do it: the node plugin must run privileged",
    errno.EPERM: "this process may not do it: the node plugin must run privileged",
    errno.EPROTO: "what answers there does not speak NVMe/TCP as this kernel does",
    errno.ENOMEM: "this host has no memory for another connection",
    errno.EADDRNOTAVAIL: "this host has no local address or port for another connection",
    errno.EBUSY: "the module nvme-tcp is being unloaded on this host",
}


def explain(number: int) -> str:
    """Return what an error of a connect means, and what to check.

    EIO and EINVAL are what the kernel makes of most refusals; its own log says more.
    """
    return _EXPLANATIONS.get(
        number, f"this host's kernel failed ({errno.errorcode.get(number, number)}): see its log"
    )


def check_target(target: Target) -> None:
    """Check all of a target that goes into the options.

    Raises:
        InvalidRequest: a value is out of its range, or not of its form.
    """
    if not 1 <= target.port <= MAX_PORT:
        raise InvalidRequest(f"the port must be 1 to {MAX_PORT}, not {target.port}")
    for field, value, least in (
        ("ctrl_loss", target.ctrl_loss, -1),
        ("reconnect_delay", target.reconnect_delay, 1),
        ("keep_alive", target.keep_alive, 0),
    ):
        if not least <= value <= _LONGEST_SECONDS:
            raise InvalidRequest(f"{field} must be at least {least}, not {value}")
    if target.secret is not None and not _SECRET.fullmatch(target.secret.reveal()):
        # Not a character of it may be shown.
        raise InvalidRequest("the DH-CHAP secret must be of the form DHHC-1:<0 to 3>:<base64>:")


def render_options(target: Target, traddr: str, host_nqn: Nqn, host_id: str, io_queues: int) -> str:
    """Return what has the kernel connect to a target.

    Args:
        target: what to connect to.
        traddr: its IP address: the kernel resolves no names.
        host_nqn: as whom.
        host_id: likewise, a UUID.
        io_queues: how many queues at most; the kernel's own number is that of its processors, of
            which a thousand volumes would take too many from the device.

    Raises:
        InvalidRequest: a value is out of its range, or not of its form.
    """
    check_target(target)
    try:
        ipaddress.ip_address(traddr)
    except ValueError:
        raise InvalidRequest(f"the address must be an IP address, not {shown(traddr)}") from None
    options = {
        "nqn": target.nqn.text,
        "transport": "tcp",
        "traddr": traddr,
        "trsvcid": str(target.port),
        "hostnqn": host_nqn.text,
        "hostid": host_id,
        "nr_io_queues": str(io_queues),
        "ctrl_loss_tmo": str(target.ctrl_loss),
        "reconnect_delay": str(target.reconnect_delay),
    }
    if target.keep_alive:  # 0 would switch it off, and a silent cut would never be noticed
        options["keep_alive_tmo"] = str(target.keep_alive)
    if target.secret is not None:
        options["dhchap_secret"] = target.secret.reveal()
    for key, value in options.items():
        if not value.isascii() or not value.isprintable() or "," in value or " " in value:
            raise InvalidRequest(f"{key} must be printable ASCII without commas and blanks")
    return ",".join(f"{key}={value}" for key, value in options.items())


def parse_answer(text: str) -> str:
    """Return the name of the controller that the kernel has made.

    Raises:
        ConnectFailed: it is no answer to a connect.
    """
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise ConnectFailed(
            "this host's kernel gave no answer that makes sense to a connect", detail=text[:200]
        )
    return f"nvme{int(match[1])}"
