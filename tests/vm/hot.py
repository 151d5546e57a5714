"""The files that every machine reads at its start: they are in its memory when it boots.

Opening a file of the host's takes the guest milliseconds, and the tests import some 700 modules. As
a plugin of pytest this writes a list of them, on the host, after it has collected the tests.
"""

import os
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

VARIABLE = "RDS_CSI_VM_HOT"
"""Names the file that the list is written to."""


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    names = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    sources = [Path(name) for name in names if name and name.endswith(".py")]
    # Beside a module lies what it was compiled to, for a test in a form of pytest's.
    compiled = [Path(cache_from_source(each)) for each in sources]
    rewritten = [
        each for path in sources for each in path.parent.glob(f"*/{path.stem}.*-pytest-*.pyc")
    ]
    found = {os.path.realpath(each) for each in (*sources, *compiled, *rewritten) if each.exists()}
    Path(os.environ[VARIABLE]).write_text("\n".join(sorted(found)))
