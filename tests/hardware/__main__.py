"""`./dev hardware`: what only a real device can say."""

import asyncio
import json
import os
import sys
from pathlib import Path

from libs.core.errors import RdsCsiError
from tests.hardware.model import Report, Result
from tests.hardware.options import Options, parse_options
from tests.hardware.report import document, is_good, render
from tests.hardware.run import quieten, run_to_its_end, unknown_names
from tests.hardware.tape import Tape


def main(argv: list[str]) -> int:
    options = parse_options(argv)
    if names := unknown_names(options):
        sys.stderr.write(f"there is no question {', '.join(names)}\n")
        return 2
    quieten()
    tape, report = Tape(), None
    try:
        report = run_to_its_end(options, tape, _say)
    except RdsCsiError as error:
        sys.stderr.write(f"{error.message}{f' ({error.detail})' if error.detail else ''}\n")
        return 3
    except asyncio.CancelledError:
        sys.stderr.write("it was interrupted before anything was asked\n")
        return 3
    finally:
        _keep_transcript(options, tape, report)
    return _tell(options, report)


def _say(result: Result) -> None:
    # The report goes to standard output; this is for who waits for it.
    sys.stderr.write(f"{result.name}: {result.answer.verdict}\n")


def _tell(options: Options, report: Report) -> int:
    is_json = options.output == "json"
    text = json.dumps(document(report), indent=1) + "\n" if is_json else render(report)
    if options.report:
        options.report.write_text(text)
    else:
        sys.stdout.write(text)
    if report.left or report.interrupted:
        return 3
    return 0 if is_good(report) else 1


def _keep_transcript(options: Options, tape: Tape, report: Report | None) -> None:
    if options.transcript is None:
        return
    text = json.dumps(tape.document(report.device if report else {}), indent=1) + "\n"
    _write_private(options.transcript, text)


def _write_private(path: Path, text: str) -> None:
    # It has no secrets, and says a lot about a device.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
