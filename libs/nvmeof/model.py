"""Connections and devices of a host, as values. Pure."""

from dataclasses import dataclass
from enum import Enum

from libs.core.ids import Nqn
from libs.core.secret import Secret

FOR_EVER = -1
"""`ctrl_loss_tmo` of a host that never gives up (drivers/nvme/host/fabrics.c of Linux)."""


@dataclass(frozen=True, slots=True)
class Target:
    """How a subsystem is reached.

    Attributes:
        nqn: the subsystem's NQN.
        address: host name or IP address.
        port: TCP port.
        ctrl_loss: seconds that a lost connection is tried again; -1 for ever.
        reconnect_delay: seconds between two tries.
        keep_alive: seconds without an answer until a connection counts as lost; 0 for the kernel's
            own.
        secret: the DH-CHAP secret in the form `DHHC-1:...:`; None without authentication.
    """

    nqn: Nqn
    address: str
    port: int
    ctrl_loss: int = FOR_EVER
    reconnect_delay: int = 5
    keep_alive: int = 0
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device as the kernel has it now; its name and number may be another's tomorrow.

    Attributes:
        path: such as `/dev/nvme0n1`.
        number: major and minor number.
        size: bytes.
    """

    path: str
    number: tuple[int, int]
    size: int


class LinkState(Enum):
    """How a connection does."""

    LIVE = "live"
    """I/O goes through."""

    CONNECTING = "connecting"
    """It is lost, and the kernel tries again; I/O waits."""

    DEAD = "dead"
    """The kernel has given up, or is taking it down; I/O fails."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What a host has of a subsystem.

    Attributes:
        nqn: the subsystem's NQN.
        state: how it does; of several controllers, the best.
        device: its first namespace; None while the kernel shows none.
        controllers: their names, such as `nvme0`.
        is_certain: whether there certainly is no other disk than this one, or none at all.
    """

    nqn: str
    state: LinkState
    device: BlockDevice | None
    controllers: tuple[str, ...] = ()
    is_certain: bool = True
