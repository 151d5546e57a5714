"""docs/reference/events.md: every event that the driver can leave in a cluster.

Which there are is read from the code. What each means and what to do is said here, and a test fails
where either side has one that the other does not.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.node.ports import Reason

ROOT = Path(__file__).parents[1]

_WRITERS = (
    ("controller", "services/controller/adapters/telling.py", "Tale", "warning"),
    ("reconciler", "services/reconciler/workflow/herald.py", "Notice", "is_warning"),
)
"""Where a service makes its events: of which class, and what says that it is a warning."""

_ACTIONS = "services/reconciler/adapters/telling.py"

MEANINGS: Mapping[str, str] = {
    "VolumeProvisioningFailed": "the volume is not made. The text says why, and what to do",
    "VolumeAttachConflict": "another node has the volume. See that the pod there is gone; of a "
    "node that is off for good, delete the Node object or taint it as out of service",
    "MigrationStarted": "a live migration has begun: two nodes have the volume",
    "MigrationCompleted": "the node that the machine left has given the volume back",
    "MigrationFailed": "a live migration was given up, or takes too long. Delete the pod of the "
    "target (or of the source, if the machine is not there any more) and migrate again",
    "StaleMount": "a mount is not what it should be. It is repaired unless a pod uses it",
    "MountRecovered": "it is repaired",
    "MountRecoveryFailed": "it is not, and the text says why. Mostly a pod uses the volume: "
    "restart the pod",
    "ConnectionLost": "the volume is out of order on this node: see whether the device is away",
    "ConnectionRestored": "it is in order again",
    "VolumeSuspended": "it failed three times in a row and is left alone for up to ten minutes. "
    "See the reason; to have it tried at once: "
    "[node.md](../node.md#a-repair-and-a-volume-that-is-left-alone)",
    "VolumeMountFailed": "a pod's volume cannot be mounted, and why",
    "VolumeMountedAtLast": "it could be mounted in the end",
    "OrphanFound": "something on a device belongs to nothing in the cluster: `rdsctl orphans`",
    "OrphansFound": "more than ten at once. Were objects lost from the cluster? Look before "
    "approving any",
    "StaleAttachmentCleared": "a node that is gone holds the volume no longer: it can be attached "
    "elsewhere",
    "DeviceConnectionLost": "the controller does not reach a device: "
    "[runbook](../runbooks.md#rdscsideviceaway)",
    "DeviceConnectionRestored": "it reaches it again",
    "NodeShutOut": "the device does not let the node use the volume any more",
    "NodeLetIn": "the device lets the node in again",
    "VolumeDetached": "the volume was taken from the node",
    "AttachmentDeleted": "a VolumeAttachment to a node that must not have it was deleted",
    "FinalizerRemoved": "a detached VolumeAttachment lost external-attacher's finalizer",
    "OrphanRemoved": "an orphan was removed, with its data",
}
"""What each means, and what to do."""

_FAILED = "not done: the text has the error. It is tried again, `rdsctl findings` says when"

_HEAD = """# All events

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

`kubectl describe` of a PersistentVolume, a claim or the CSIDriver shows them;
`kubectl get events -A --field-selector type=Warning` lists what may need somebody.
"""


def render() -> str:
    """Return the page."""
    lines = [_HEAD, "| event | by | type | what it means, and what to do |", "|---|---|---|---|"]
    for reason, (service, is_warning) in sorted(found().items()):
        kind = "Warning" if is_warning else "Normal"
        failed = reason not in MEANINGS and reason.endswith("Failed")
        meaning = _FAILED if failed else MEANINGS[reason]
        lines.append(f"| `{reason}` | {service} | {kind} | {meaning} |")
    return "\n".join(lines) + "\n"


def found() -> Mapping[str, tuple[str, bool]]:
    """Return all reasons in the code: which service tells it, and whether it is a warning."""
    reasons = {reason.value: ("node", reason.is_warning) for reason in Reason}
    for name in _actions():
        reasons |= {name: ("reconciler", False), f"{name}Failed": ("reconciler", True)}
    for service, path, kind, flag in _WRITERS:
        for name, is_warning in _made(ROOT / path, kind, flag):
            reasons[name] = (service, is_warning)
    return reasons


def _actions() -> Iterator[str]:
    """Return what the events about actions are called: the values of one table."""
    for node in ast.parse((ROOT / _ACTIONS).read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            yield from (ast.literal_eval(value) for value in node.value.values)


def _made(path: Path, kind: str, flag: str) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id == kind:
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            yield ast.literal_eval(node.args[0]), flag in named and ast.literal_eval(named[flag])
