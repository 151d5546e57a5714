"""Run tests/e2e on a Kubernetes of its own: `python -m tests.e2e [pytest arguments]`.

The tests and all that they start live in namespaces of their own: when they end, however they
end, the kernel ends every process and mount in there. What namespaces do not hold (loop devices,
control groups, kernel settings, files) is put in order here, and what an earlier run left because
this process was killed, too. Logs are kept in build/e2e, the result in build/e2e.xml. The exit
status is that of pytest, or 2 where this machine cannot run it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.e2e.site import DIRECTORY
from tests.e2e.sweeping import PREFIX, keep_logs, swept
from tests.e2e.tools import why_not

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
_CANNOT = 2
_UNSHARE = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private"]


def main() -> int:
    """Run what was asked for and return the exit status."""
    if why := why_not():
        sys.stderr.write(f"e2e: {why}\n")
        return _CANNOT
    signal.signal(signal.SIGTERM, _stop)
    BUILD.mkdir(exist_ok=True)
    paths = [] if any(word.startswith("tests/") for word in sys.argv[1:]) else ["tests/e2e"]
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, swept(Path(name)):
        try:
            return subprocess.run(  # noqa: S603 (a command of our own)
                [
                    *("setpriv", "--pdeathsig=KILL", "unshare", *_UNSHARE),
                    *(
                        sys.executable,
                        "-m",
                        "pytest",
                        "-v",
                        "--timeout=300",
                        "--junitxml=build/e2e.xml",
                    ),
                    *(*paths, *sys.argv[1:]),
                ],
                cwd=ROOT,
                env={**os.environ, DIRECTORY: name},
                check=False,
            ).returncode
        finally:
            keep_logs(Path(name), BUILD / "e2e")


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
