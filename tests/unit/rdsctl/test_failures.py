"""What an operator is told of a failure: the exit code, the sentence, and what to do next."""

import errno
import ssl
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.core.errors import (
    Busy,
    Conflict,
    Exhausted,
    InUse,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfRange,
    RdsCsiError,
    Refused,
    StaleToken,
    Unreachable,
    Unsupported,
)
from libs.csikit.endpoint import TcpAddress
from libs.csikit.tls import TlsFiles
from rdsctl.connection import BadSettings, Connection
from rdsctl.exits import Exit
from rdsctl.failures import Failure, MaybeDone, NotLeader, explain

PLAIN = Connection(TcpAddress("rds.example", 9443), source="RDSCTL_ENDPOINT", timeout=2.5)
SECURE = Connection(
    Path("/run/admin.sock"), tls=TlsFiles(Path("/me.crt"), Path("/me.key"), Path("/ca.crt"))
)


def caused(error: RdsCsiError, cause: BaseException) -> RdsCsiError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("no"), Exit.USAGE),
        (OutOfRange("no"), Exit.USAGE),
        (NotFound("no"), Exit.NOT_FOUND),
        (InUse("no"), Exit.CONFLICT),
        (Conflict("no"), Exit.CONFLICT),
        (Busy("no"), Exit.CONFLICT),
        (StaleToken("no"), Exit.CONFLICT),
        (Exhausted("no"), Exit.CONFLICT),
        (Unsupported("no"), Exit.SERVER_FAILED),
        (Refused("no"), Exit.SERVER_FAILED),
        (Unreachable("no"), Exit.UNREACHABLE),
        (OutcomeUnknown("no"), Exit.UNREACHABLE),
        (BadSettings("no"), Exit.USAGE),
        (MaybeDone("no"), Exit.OUTCOME_UNKNOWN),
    ],
)
def test_each_family_has_its_exit_code(error: RdsCsiError, code: Exit) -> None:
    assert explain(error, PLAIN).code is code


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (NotFound("no"), "rdsctl findings, rdsctl orphans"),
        (InUse("no"), "rdsctl status and rdsctl findings"),
        (Busy("no"), "wait until it is over"),
        (StaleToken("no"), "repeat it"),
        (Unsupported("no"), "the server may be older"),
        (Refused("no"), "the log of the replica"),
        (MaybeDone("no"), "before you repeat it"),
    ],
)
def test_what_can_be_done_next_is_said(error: RdsCsiError, hint: str) -> None:
    assert hint in explain(error, PLAIN).hint


def test_a_detail_of_our_own_is_shown_and_one_that_came_over_the_wire_is_not() -> None:
    ours = InUse("volume pvc-1 is attached", detail="to node-a")
    theirs = caused(InUse("volume pvc-1 is attached", detail="to node-a"), status(Status.ABORTED))

    assert explain(ours, PLAIN).sentence == "volume pvc-1 is attached (to node-a)"
    assert explain(theirs, PLAIN).sentence == "volume pvc-1 is attached"


def test_what_a_server_says_cannot_steer_the_terminal() -> None:
    said = explain(NotFound("gone\x1b[2J", detail="\x07bell"), PLAIN).sentence

    assert said.isprintable()
    assert "gone" in said
    assert "bell" in said


def test_settings_that_cannot_be_used_bring_their_own_hint() -> None:
    assert explain(BadSettings("no endpoint", "give --endpoint"), None) == Failure(
        Exit.USAGE, "no endpoint", "give --endpoint"
    )


def test_a_change_without_an_answer_may_have_been_done() -> None:
    assert explain(MaybeDone("no answer"), PLAIN).sentence == "no answer; it may have been done"


def test_a_replica_that_does_not_lead_names_the_one_that_does_and_how_to_get_there() -> None:
    failure = explain(NotLeader("reconciler-0", "reconciler-1-0a1b2c3d"), PLAIN)

    assert failure.code is Exit.CONFLICT
    assert failure.sentence == "the replica reconciler-0 does not lead; reconciler-1-0a1b2c3d does"
    assert "kubectl -n rds-csi port-forward pod/reconciler-1 9443" in failure.hint


def test_when_nobody_leads_nobody_is_named() -> None:
    failure = explain(NotLeader("", ""), PLAIN)

    assert failure.sentence == "the replica that answers does not lead; nobody does now"
    assert "if nobody leads for longer than a minute" in failure.hint


@pytest.mark.parametrize("status_code", [Status.PERMISSION_DENIED, Status.UNAUTHENTICATED])
@pytest.mark.parametrize(("connection", "shown"), [(SECURE, "/me.crt"), (PLAIN, "none")])
def test_who_is_not_permitted_learns_which_certificate_was_shown(
    status_code: Status, connection: Connection, shown: str
) -> None:
    failure = explain(caused(Refused("not for you"), status(status_code)), connection)

    assert failure.code is Exit.NOT_PERMITTED
    assert failure.sentence == "not for you"
    assert f"the certificate that was shown is {shown};" in failure.hint


def test_a_server_that_is_not_there_is_said_with_the_system_s_reason_and_who_named_it() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1, 0, 0)")

    failure = explain(caused(Unreachable("cannot connect"), refused), PLAIN)

    assert failure.sentence == "cannot connect (Connection refused)"
    assert "the endpoint tcp://rds.example:9443 comes from RDSCTL_ENDPOINT" in failure.hint


def test_a_system_error_without_a_number_is_said_in_its_words() -> None:
    failure = explain(caused(Unreachable("cannot connect"), OSError("all attempts")), SECURE)

    assert failure.sentence == "cannot connect (all attempts)"
    assert "unix:///run/admin.sock" in failure.hint


def test_before_it_is_known_where_to_connect_nothing_is_advised_about_it() -> None:
    assert explain(Unreachable("cannot connect"), None).hint == ""


def test_a_connection_that_takes_too_long_is_not_an_answer_that_does() -> None:
    connecting = explain(caused(Unreachable("cannot connect"), TimeoutError()), PLAIN)
    answering = explain(caused(OutcomeUnknown("no answer"), TimeoutError()), PLAIN)

    assert connecting.sentence == "cannot connect (no answer in time)"
    assert "is the reconciler running there" in connecting.hint
    assert answering.sentence == "no answer"
    assert answering.hint == "--timeout gives it longer than 2.5 seconds"


def test_a_certificate_that_is_not_accepted_is_said_with_why() -> None:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "self-signed certificate"

    failure = explain(caused(Unreachable("cannot connect"), refused), SECURE)

    assert failure.sentence == (
        "cannot connect: its certificate is not accepted (self-signed certificate)"
    )
    assert "--tls-ca" in failure.hint
    assert "--server-name" in failure.hint


def test_a_server_that_is_unavailable_is_asked_again_in_a_moment() -> None:
    failure = explain(caused(OutcomeUnknown("going down"), status(Status.UNAVAILABLE)), PLAIN)

    assert failure.hint == "repeat it in a moment; rdsctl status says who leads"


@pytest.mark.parametrize(
    ("connection", "hint"),
    [
        (PLAIN, "a server with TLS wants a certificate: --tls-cert"),
        (SECURE, "the certificate that was shown is /me.crt;"),
    ],
)
def test_a_connection_that_breaks_at_once_may_be_about_certificates(
    connection: Connection, hint: str
) -> None:
    broken = caused(OutcomeUnknown("the connection was lost"), ConnectionResetError("lost"))

    failure = explain(broken, connection)

    assert failure.sentence == "the connection was lost (lost)"
    assert failure.hint.startswith(hint)


def status(code: Status) -> GRPCError:
    return GRPCError(code, "said")
