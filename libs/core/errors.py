"""Error families: each says what the caller may conclude from a failure.

The line that matters runs between "certainly did not happen" and "may have happened". The CSI
sidecars give up a volume after any final status, so an error whose outcome is open must never be
reported as one that is closed. `libs.csikit.status` maps each family to its gRPC code.
"""


class RdsCsiError(Exception):
    """Base of every error this project raises on purpose.

    Attributes:
        message: a sentence in our own words, fit for the wire: no device text, no secrets.
        detail: what the device or the host said, for the log only.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class InvalidRequest(RdsCsiError):
    """The request can never work as it was sent."""


class OutOfRange(RdsCsiError):
    """The size that was asked for is impossible."""


class NotFound(RdsCsiError):
    """The thing is not there. For a delete that is success."""


class Conflict(RdsCsiError):
    """The name exists already with other parameters."""


class InUse(RdsCsiError):
    """Something has to happen first: a detach, a deletion of what depends on it."""


class Exhausted(RdsCsiError):
    """There is no room, or a limit has been reached."""


class Busy(RdsCsiError):
    """Another call for the same volume is in hand; nothing was done for this one."""


class StaleToken(RdsCsiError):
    """A pagination token is not one of ours or no longer usable: list from the start."""


class Unreachable(RdsCsiError):
    """Nothing was sent: the peer is away, or the service is shutting down."""


class OutcomeUnknown(RdsCsiError):
    """A change was sent and no trustworthy answer came back; it may have happened."""


class Unsupported(RdsCsiError):
    """This device, release or configuration cannot do it."""


class Refused(RdsCsiError):
    """The device or host said no, for a reason that is not understood."""
