"""Where the connection to a device stands, as values. Pure."""

import enum
from dataclasses import dataclass


class LinkState(enum.Enum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    UP = "up"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A state, the number of the connection (counted from 1), and why there is none."""

    state: LinkState
    epoch: int
    reason: str = ""
