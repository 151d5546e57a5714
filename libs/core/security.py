"""Security events: what may be written into the log as one, and how severe each is. Pure.

A line of the log that is a security event carries `security` with its kind; the log adds
`stream: security` and its severity, so that one query finds them all, whoever wrote them.
"""

import enum
from typing import Protocol


class Severity(enum.IntEnum):
    """How severe an event is; the numbers are those of log levels (Python's logging)."""

    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


class SecurityEvent(enum.Enum):
    """What somebody who watches over security wants to know of."""

    LOGIN = "login"
    LOGIN_REFUSED = "login-refused"
    HOST_KEY_UNCHECKED = "host-key-unchecked"
    HOST_KEY_WRONG = "host-key-wrong"
    CALLER_REFUSED = "caller-refused"
    CERTIFICATE_UNUSABLE = "certificate-unusable"
    UNPROTECTED = "unprotected"
    INPUT_REFUSED = "input-refused"
    FENCED = "fenced"
    ADMITTED = "admitted"
    FORCED_DETACH = "forced-detach"
    HOST_NOT_UNIQUE = "host-not-unique"
    REMOVED = "removed"
    REPAIR_CONTROL = "repair-control"

    @property
    def severity(self) -> Severity:
        """How severe it is."""
        return SEVERITIES[self]


SEVERITIES = {
    SecurityEvent.LOGIN: Severity.INFO,
    SecurityEvent.LOGIN_REFUSED: Severity.ERROR,
    SecurityEvent.HOST_KEY_UNCHECKED: Severity.WARNING,
    SecurityEvent.HOST_KEY_WRONG: Severity.CRITICAL,
    SecurityEvent.CALLER_REFUSED: Severity.WARNING,
    SecurityEvent.CERTIFICATE_UNUSABLE: Severity.ERROR,
    SecurityEvent.UNPROTECTED: Severity.WARNING,
    SecurityEvent.INPUT_REFUSED: Severity.INFO,
    SecurityEvent.FENCED: Severity.WARNING,
    SecurityEvent.ADMITTED: Severity.INFO,
    SecurityEvent.FORCED_DETACH: Severity.WARNING,
    SecurityEvent.HOST_NOT_UNIQUE: Severity.ERROR,
    SecurityEvent.REMOVED: Severity.WARNING,
    SecurityEvent.REPAIR_CONTROL: Severity.WARNING,
}
"""The one table of severities."""


class Log(Protocol):
    """Where a line is written."""

    def log(self, level: int, event: str, **facts: object) -> object:
        """Write a line at a level."""


def record(log: Log, event: SecurityEvent, text: str, **facts: object) -> None:
    """Write a security event into the log, at the level of its severity."""
    log.log(event.severity, text, security=event.value, **facts)
