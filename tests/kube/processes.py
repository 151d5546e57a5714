"""Processes of a control plane: started with their output in files, and stopped for certain."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PATIENCE = 30.0
"""Seconds in which a process may end by itself."""

_LAST_LINES = 20


class ClusterFailed(Exception):
    """A part of the control plane did not start; the message has its last words."""


class Process:
    """A process that can be started again with the same command."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.name = Path(command[0]).name
        self._command = [str(part) for part in command]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (a command of the rig's own)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which end it in order
                cwd=self._log.parent,
            )

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            ClusterFailed: it has ended.
        """
        if self._process is None or self._process.poll() is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            raise ClusterFailed("\n".join([f"{self.name} has ended:", *lines]))

    def stop(self, *, at_once: bool = False) -> None:
        """End it, by force where it takes too long or `at_once` says so."""
        process, self._process = self._process, None
        if process is None:
            return
        if not at_once:
            process.terminate()
        try:
            process.wait(0 if at_once else _PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
