"""Command lines of the device, shortened for a table. Pure."""

import re

from libs.rdsclient.commands import SAY_CHANGED, check_alive

_READ = re.compile(
    r":put \[:serialize to=json options=json\.no-string-conversion "
    r"\[(/\w+(?:/\w+)*?)/print detail as-value where ((?:[^\"\]]|\"(?:[^\"\\]|\\.)*\")*)\]\]"
)
_IF = re.compile(r":if \(.*?\) do=\{(.*?)\}(?=;|$)")
_FIND = re.compile(r"\[(/\w+(?:/\w+)*?)/find where (?:[^\"\]]|\"(?:[^\"\\]|\\.)*\")*\]")
_PROPERTY = re.compile(
    r" (file-path|mount-filesystem|nvme-tcp-server-(?:port|nqn))=(\"[^\"]*\"|\S+)"
)
_READS = re.compile(r"(; )?(read /[\w/]+(?:, /[\w/]+)*)(?:; read (/[\w/]+))")
_ALL = "read /disk, /file, /disk, /disk/btrfs/subvolume"
_KEEPALIVE = check_alive().line


def shorten(lines: list[str]) -> str:
    """Return a line for each exec: what it changes under a condition, and what it reads."""
    return "\n".join(_shorten(line) for line in lines if line != _KEEPALIVE)


def count(lines: list[str]) -> int:
    """Return how many round trips a call cost; asking whether the device lives is no call's."""
    return sum(line != _KEEPALIVE for line in lines)


def _shorten(line: str) -> str:
    short = _READ.sub(r"read \1", line.replace(f"; {SAY_CHANGED}", ""))
    short = _IF.sub(lambda match: f"if so: {match[1]}", short)
    short = _FIND.sub("…", short)
    short = _PROPERTY.sub("", short)
    while (merged := _READS.sub(r"\1\2, \3", short)) != short:
        short = merged
    return short.replace(_ALL, "read all of it")
