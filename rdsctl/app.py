"""The composition root: the only place that reads the environment.

What a command needs is imported when it runs: help and completion are asked for at a prompt.
"""

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Mapping, Sequence

from libs.core.version import __version__
from rdsctl.exits import Exit
from rdsctl.parser import build_parser
from rdsctl.streams import Streams


def run(argv: Sequence[str], environ: Mapping[str, str], streams: Streams) -> int:
    """Run a command; return the exit code, of which docs/rdsctl.md has a table."""
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:  # for help, and for what is not understood
        return end.code if isinstance(end.code, int) else 2
    try:
        return _dispatch(args, environ, streams)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer has nowhere to go, and Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), streams.stdout.fileno())
        return Exit.BROKEN_PIPE
    except Exception:  # noqa: BLE001 (a bug has a code of its own: Python's 1 means something here)
        traceback.print_exc(file=streams.stderr)
        return Exit.BUG


def _dispatch(args: Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    if args.command == "completion":
        from rdsctl import completion  # noqa: PLC0415 (see above)

        streams.stdout.write(completion.render(build_parser(), args.shell))
        return 0
    if args.command == "version":
        asked = getattr(args, "output", "") or environ.get("RDSCTL_OUTPUT")
        text = f'{{"version": "{__version__}"}}' if asked == "json" else f"rdsctl {__version__}"
        streams.stdout.write(f"{text}\n")
        return 0
    from rdsctl import running  # noqa: PLC0415 (see above)

    return running.execute(args, environ, streams)


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ, Streams(sys.stdin, sys.stdout, sys.stderr)))
