"""How things stand, for people."""

from dataclasses import dataclass

from protos.gen.rdscsi.controller import v1 as admin


@dataclass(frozen=True, slots=True)
class WatchState:
    """How a collection is known.

    Attributes:
        resource: its plural name.
        synced: whether it has been listed whole and is kept up to date.
        objects: how many are known.
        heard_at: when the server last said something about it; None for never.
        error: why it is not synced.
    """

    resource: str
    synced: bool
    objects: int
    heard_at: float | None
    error: str = ""


@dataclass(slots=True)
class ControllerState:
    """How the controller is reached, and how it reaches the devices.

    Attributes:
        address: where it is.
        connected: whether the watch of the connections is there.
        error: why it is not.
        times: how often it was reached, after it had not been.
        devices: the connections, as they were told last.
    """

    address: str
    connected: bool = False
    error: str = "it has not been reached yet"
    times: int = 0
    devices: tuple[admin.Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What the Lease says.

    Attributes:
        holder: who has it; empty for nobody.
        renewed_at: when it was last renewed; None where that is not known.
        expires_at: when it can be taken over, likewise.
    """

    holder: str = ""
    renewed_at: float | None = None
    expires_at: float | None = None
