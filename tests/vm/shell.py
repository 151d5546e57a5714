"""A shell in a machine, for a developer: on the terminal, or fed by a pipe."""

import contextlib
import os
import shutil
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace

from tests.vm.guest import Face
from tests.vm.kernel import Kernel
from tests.vm.machine import DIED, Command
from tests.vm.runner import Host, keep_console, machine_of, show_as_it_comes


async def run_shell(host: Host, kernel: Kernel) -> int:
    """Boot a machine with a shell, and return the shell's exit status."""
    on_terminal = sys.stdin.isatty()
    face = Face.TERMINAL if on_terminal else Face.PIPE
    machine = replace(machine_of(host, "shell", kernel), face=face, seconds=None)
    environment = {**host.environment, "RDS_CSI_VM": str(machine.results)}
    argv = ["bash", "-s"]
    if on_terminal:
        size = shutil.get_terminal_size()
        argv = ["sh", "-c", f"stty rows {size.lines} cols {size.columns}; exec bash -i"]
        environment["PS1"] = r"vm:\w\$ "
    with _same_terminal():
        status = await machine.run(Command(argv, host.root, environment), show_as_it_comes)
    if status == DIED:
        keep_console(host, machine, status)
    return status


@contextlib.contextmanager
def _same_terminal() -> Iterator[None]:
    """Leave the terminal as it was: QEMU does so, too, unless it is killed."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
