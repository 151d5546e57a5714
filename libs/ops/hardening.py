"""What a process does at its start so that its secrets stay in its memory."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # prctl(2), from linux/prctl.h


def forbid_core_dumps() -> None:
    """Have the kernel write no core of this process, which would hold every secret it knows.

    A limit of 0 keeps it from writing a file, and not from piping to a program (core(5)): for that
    the process must not be dumpable. Programs that it starts are what they always are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
