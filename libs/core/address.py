"""Where something is reached: host names, IP addresses and ports, checked."""

import contextlib
import re
from ipaddress import ip_address

from libs.core.errors import InvalidRequest

NVME_TCP_PORT = 4420
"""IANA's port for NVMe over TCP."""

MAX_PORT = 65535
"""The largest number of a TCP or UDP port."""

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)


def parse_host(text: str, field: str = "host") -> str:
    """Return a host name or IP address, checked.

    Raises:
        InvalidRequest: it is neither.
    """
    if "%" not in text:  # an IPv6 scope may be any text, and means nothing on another host
        with contextlib.suppress(ValueError):
            return str(ip_address(text))
    if _HOST_NAME.fullmatch(text):
        return text
    raise InvalidRequest(f"{field} must be a host name or an IP address")


def parse_port(text: str, field: str = "port") -> int:
    """Return a TCP port.

    Raises:
        InvalidRequest: it is not a whole number from 1 to 65535.
    """
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MAX_PORT:
        raise InvalidRequest(f"{field} must be a TCP port from 1 to {MAX_PORT}")
    return int(text)
