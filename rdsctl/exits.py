"""Exit codes; docs/rdsctl.md has them for people. Pure, and quickly imported."""

from enum import IntEnum


class Exit(IntEnum):
    """How the program ends."""

    OK = 0
    NOT_GOOD = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_PERMITTED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    OUTCOME_UNKNOWN = 7
    SERVER_FAILED = 8
    NOT_CONFIRMED = 9

    BUG = 70
    """EX_SOFTWARE of sysexits.h."""

    INTERRUPTED = 130
    BROKEN_PIPE = 141
    """What shells say of a program that SIGINT, or SIGPIPE, ended."""
