import io
import json

from libs.core.version import __version__
from rdsctl.app import run
from rdsctl.streams import Streams


def streams() -> tuple[Streams, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Streams(io.StringIO(), out, err), out, err


def test_the_version_needs_no_reconciler() -> None:
    ours, out, _ = streams()

    code = run(["version"], {}, ours)

    assert (code, out.getvalue()) == (0, f"rdsctl {__version__}\n")


def test_the_version_is_a_document_where_the_environment_says_so() -> None:
    ours, out, _ = streams()

    code = run(["version"], {"RDSCTL_OUTPUT": "json"}, ours)

    assert (code, json.loads(out.getvalue())) == (0, {"version": __version__})


def test_a_bug_is_told_apart_from_all_that_can_be_expected() -> None:
    ours, out, err = streams()
    out.close()  # nothing here expects that

    code = run(["version"], {}, ours)

    assert code == 70
    assert "Traceback" in err.getvalue()


def test_settings_that_are_missing_are_said_without_a_trace() -> None:
    ours, out, err = streams()

    code = run(["status"], {}, ours)

    assert (code, out.getvalue()) == (2, "")
    assert err.getvalue().startswith("rdsctl: it is not said where the reconciler is\nnext: give")
