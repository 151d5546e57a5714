"""What the node plugin did on the host, from its log, for a table. Pure."""

import json
import re

_NO_TOOL = {"Connect": "connect (a loop device, for NVMe/TCP)", "Rescan": "rescan the device"}
"""Steps that the kernel is asked for without a tool; of the others the tools are shown."""

_FLAGS = re.compile(r" (?:-c|-q|-K|-m uuid=\S+|-U \S+|-m 0|-E \S+|-o export)(?= )")
_VOLUME = re.compile(r"\b(pvc-[0-9a-f]{8})-[0-9a-f-]+")


def read_actions(lines: list[str], directory: str, *, whole: bool) -> list[str]:
    """Return what was done, one action a line.

    Args:
        lines: of the log, as JSON.
        directory: of the demo; paths are shown without it.
        whole: whether tools are shown with all their flags.
    """
    actions = []
    for line in lines:
        record = json.loads(line)
        if record.get("event") == "step" and record.get("step") in _NO_TOOL:
            actions.append(_NO_TOOL[record["step"]])
        elif record.get("event") == "tool":
            command = " ".join(record["argv"])
            actions.append(command if whole else shorten(command, directory))
    return actions


def shorten(command: str, directory: str) -> str:
    """Return a tool's command line without the demo's directory and the flags of every day."""
    return _VOLUME.sub(r"\1…", _FLAGS.sub("", command.replace(f"{directory}/", "")))
