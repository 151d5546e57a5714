"""Commands for Btrfs subvolumes. Pure."""

from libs.rdsclient.commands import (
    SAY_CHANGED,
    Command,
    ask,
    count,
    listing,
    literal_pattern,
    quote,
)
from libs.rdsclient.model import Features

_SUBVOLUME = "/disk/btrfs/subvolume"


def list_subvolumes(features: Features, label: str, directory: str) -> Command:
    """Ask for the subvolumes of a filesystem whose full name begins with a directory."""
    where = f"fs={quote(label)} and fullname~{quote(f'^{literal_pattern(directory)}/')}"
    return ask(features, _SUBVOLUME, where)


def add_subvolume(
    features: Features, label: str, name: str, *, parent: str = "", frozen: bool = False
) -> Command:
    """Make a subvolume, or a snapshot of `parent`, where there is none of that name.

    Args:
        features: what the release can do.
        label: the filesystem.
        name: its path within the filesystem.
        parent: the subvolume whose content it shares; empty for an empty one.
        frozen: whether it can be written.
    """
    add = f"{_SUBVOLUME}/add fs={quote(label)} name={quote(name)}"
    if parent:
        add += f" parent={quote(parent)}"
    if frozen:
        add += " read-only=yes"
    return _on_subvolume(features, label, name, "=", add)


def remove_subvolume(features: Features, label: str, name: str) -> Command:
    """Remove a subvolume, if it is there."""
    found = f"{_SUBVOLUME}/find where {_is_subvolume(label, name)}"
    return _on_subvolume(features, label, name, ">", f"{_SUBVOLUME}/remove [{found}]")


def _is_subvolume(label: str, name: str) -> str:
    # `name` loses its folder once the subvolume is made (manual, Btrfs).
    return f"fs={quote(label)} and fullname={quote(name)}"


def _on_subvolume(features: Features, label: str, name: str, compared: str, change: str) -> Command:
    where = _is_subvolume(label, name)
    found = count(f"{_SUBVOLUME}/find where {where}")
    line = f":if ({found} {compared} 0) do={{{change}}}; {SAY_CHANGED}; " + listing(
        features, _SUBVOLUME, where
    )
    return Command(line, changes=True, listings=1, json=features.json)
