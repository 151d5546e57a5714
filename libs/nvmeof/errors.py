"""What can go wrong on the host, each under the family that says what may be concluded."""

from libs.core.errors import InUse, Refused, Unreachable, Unsupported


class MountStorm(Refused):
    """One device is mounted absurdly often: something multiplies mounts, and must not be helped."""


class MountTableUnreadable(Unreachable):
    """The kernel's table of mounts cannot be read, or makes no sense."""


class NotCertainlyEmpty(InUse):
    """A device is neither certainly empty nor certainly what is wanted; nothing was written."""


class ConnectFailed(Unreachable):
    """The kernel could not connect to a subsystem; `detail` has its words."""


class NoDevice(Unreachable):
    """A subsystem is connected and has no block device, or one that does not answer."""


class NotManaged(Refused):
    """An NQN is not one of this driver's: it is neither connected nor disconnected."""


class DeviceInUse(InUse):
    """A mount, a holder or an open file needs what was to be taken away; `detail` has who."""


class TwinMounted(InUse):
    """A filesystem with the same UUID is mounted, and this kernel takes them for one."""


class NoMountPoint(InUse):
    """There is no directory where something is to be mounted."""


class HostUnable(Unsupported):
    """The kernel or the tools of this host cannot do what is asked."""


class HostHangs(Unreachable):
    """The host did not answer in time; what was asked may still be going on.

    Attributes:
        pid: of a tool that waits in the kernel and cannot be killed; 0 where there is none.
    """

    def __init__(self, message: str, *, detail: str = "", pid: int = 0) -> None:
        super().__init__(message, detail=detail)
        self.pid = pid


class ToolFailed(Refused):
    """A tool of the host ended badly; `detail` has what it printed."""
