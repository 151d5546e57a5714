"""What a failure means to the caller: an exit code, a sentence, and what to do next."""

import os
import re
import ssl
from dataclasses import dataclass

from grpclib import GRPCError
from grpclib.const import Status

from libs.core import errors
from libs.core.errors import InUse, OutcomeUnknown, RdsCsiError
from rdsctl.connection import BadSettings, Connection
from rdsctl.exits import Exit
from rdsctl.words import clean


class MaybeDone(OutcomeUnknown):
    """A change was sent, and no answer came."""


class NotLeader(InUse):
    """The replica that answered leaves changes to another one."""

    def __init__(self, replica: str, holder: str) -> None:
        self.holder = clean(holder)
        who = f"{self.holder} does" if self.holder else "nobody does now"
        super().__init__(f"the replica {clean(replica) or 'that answers'} does not lead; {who}")


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said of a failure."""

    code: Exit
    sentence: str
    hint: str = ""


_BY_FAMILY: tuple[tuple[type[RdsCsiError], Exit, str], ...] = (
    (errors.InvalidRequest, Exit.USAGE, ""),
    (errors.OutOfRange, Exit.USAGE, ""),
    (errors.NotFound, Exit.NOT_FOUND, "see what there is with: rdsctl findings, rdsctl orphans"),
    (
        errors.InUse,
        Exit.CONFLICT,
        "look again with rdsctl status and rdsctl findings, and repeat it if it is still right",
    ),
    (errors.Conflict, Exit.CONFLICT, "look again with rdsctl findings"),
    (errors.Busy, Exit.CONFLICT, "wait until it is over (rdsctl status), and repeat it"),
    (errors.StaleToken, Exit.CONFLICT, "repeat it"),
    (errors.Exhausted, Exit.CONFLICT, "wait a little, and repeat it"),
    (
        errors.Unsupported,
        Exit.SERVER_FAILED,
        "compare rdsctl version with the version in rdsctl status: the server may be older",
    ),
)

_OWN_MARK = re.compile(r"-[0-9a-f]{8}$")
"""What the reconciler's process adds to the name of its pod, to tell it from the one before it."""

_NOT_PERMITTED = frozenset({Status.PERMISSION_DENIED, Status.UNAUTHENTICATED})


def explain(error: RdsCsiError, connection: Connection | None) -> Failure:
    """Return what to say of an error.

    Args:
        error: what went wrong.
        connection: how the server was, or was to be, reached; None where that was not known yet.
    """
    said = clean(error.message)
    if _status_of(error) in _NOT_PERMITTED:
        return Failure(Exit.NOT_PERMITTED, said, _other_certificate(connection))
    if isinstance(error, BadSettings | NotLeader | MaybeDone):
        return _of_ours(error, said)
    if isinstance(error, errors.Unreachable | OutcomeUnknown):
        return _unreachable(error, said, connection)
    for family, code, hint in _BY_FAMILY:
        if isinstance(error, family):
            return Failure(code, _with_detail(said, error), hint)
    return Failure(Exit.SERVER_FAILED, said, "the log of the replica that answered has the reason")


def _of_ours(error: BadSettings | NotLeader | MaybeDone, said: str) -> Failure:
    if isinstance(error, BadSettings):
        return Failure(Exit.USAGE, said, error.hint)
    if isinstance(error, NotLeader):
        return Failure(Exit.CONFLICT, said, _to_leader(error.holder))
    hint = "look with rdsctl status and rdsctl findings whether it was, before you repeat it"
    return Failure(Exit.OUTCOME_UNKNOWN, f"{said}; it may have been done", hint)


def _status_of(error: RdsCsiError) -> Status | None:
    cause = error.__cause__
    return cause.status if isinstance(cause, GRPCError) else None


def _with_detail(said: str, error: RdsCsiError) -> str:
    if not error.detail or _status_of(error) is not None:
        return said
    return f"{said} ({clean(error.detail)})"


def _to_leader(holder: str) -> str:
    if not holder:
        return "see rdsctl status; if nobody leads for longer than a minute, look at their logs"
    pod = _OWN_MARK.sub("", holder)
    return (
        f"kubectl -n rds-csi port-forward pod/{pod} 9443 brings it here, in place of the one that "
        "was asked; any replica answers what only reads"
    )


def _other_certificate(connection: Connection | None) -> str:
    used = connection.tls.certificate if connection and connection.tls else "none"
    return (
        f"the certificate that was shown is {used}; another one is chosen with --tls-cert and "
        "--tls-key, RDSCTL_TLS_CERT and RDSCTL_TLS_KEY, or --context"
    )


def _unreachable(error: RdsCsiError, said: str, connection: Connection | None) -> Failure:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = clean(cause.verify_message)
        return Failure(
            Exit.UNREACHABLE,
            f"{said}: its certificate is not accepted ({why})",
            "--tls-ca names the authority that it comes from, and --server-name the name in it",
        )
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        # asyncio puts its own words in `strerror`.
        why = os.strerror(cause.errno) if type(cause.errno) is int else str(cause)
        said = f"{said} ({clean(why)})"
    elif isinstance(cause, TimeoutError) and isinstance(error, errors.Unreachable):
        said = f"{said} (no answer in time)"
    return Failure(Exit.UNREACHABLE, said, _how_to_reach(error, connection))


def _how_to_reach(error: RdsCsiError, connection: Connection | None) -> str:
    if connection is None:
        return ""
    if isinstance(error.__cause__, TimeoutError) and isinstance(error, OutcomeUnknown):
        return f"--timeout gives it longer than {connection.timeout:g} seconds"
    if _status_of(error) is not None:
        return "repeat it in a moment; rdsctl status says who leads"
    if isinstance(error, errors.Unreachable):
        return (
            f"the endpoint {connection.shown} comes from {connection.source}; is the reconciler "
            "running there, or the port-forward to it?"
        )
    if connection.tls is None:
        return (
            "a server with TLS wants a certificate: --tls-cert, --tls-key and --tls-ca, "
            "RDSCTL_TLS_CERT, RDSCTL_TLS_KEY and RDSCTL_TLS_CA, or a context"
        )
    return _other_certificate(connection)
