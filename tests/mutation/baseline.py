"""Runs tests once, with nothing changed: `python -m tests.mutation.baseline FILE... -- PATH...`.

Its answer is JSON: which test comes to which line of the files, how long each takes, which fail.
"""

import json
import os
import sys
from pathlib import Path

from tests.mutation.selection import Recorder, register_profile


def main() -> int:
    middle = sys.argv.index("--")
    files = [Path(name).resolve() for name in sys.argv[1:middle]]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    register_profile()
    recorder = Recorder(files)
    lines = recorder.run(sys.argv[middle + 1 :])
    answer = {
        "lines": {str(Path(path).relative_to(Path.cwd())): of for path, of in lines.items()},
        "seconds": recorder.seconds,
        "failed": recorder.failed,
    }
    answers.write(json.dumps(answer))
    answers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
