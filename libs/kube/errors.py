"""What can go wrong with the Kubernetes API, all of one family: try again later."""

from libs.core.errors import Unreachable


class WatchExpired(Unreachable):
    """The version that a watch was to begin at is too old: list again."""


class Answered(Unreachable):
    """The Kubernetes API answered, and not with what was asked for.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, *, status: int = 0, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.status = status


class Forbidden(Answered):
    """This account is not known (401), or RBAC does not allow it (403)."""


class NotServed(Answered):
    """The server has no such API: above all a CustomResourceDefinition that is not installed."""


class ObjectExists(Answered):
    """What was to be created is there already."""


class ObjectMissing(Answered):
    """What was to be changed is not there."""


class ObjectChanged(Answered):
    """What was to be changed is not any more what it was when it was read."""


class NotLeader(Unreachable):
    """This process does not lead, or not any more: nothing was done."""
