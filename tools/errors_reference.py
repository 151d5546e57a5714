"""docs/reference/errors.md: the families of errors, their gRPC codes, and what to do.

Families, codes and classes are read from the code; what to do is said here, and a test fails where
a family has nothing.
"""

import inspect
from collections.abc import Iterator, Mapping

import libs.kube.errors
import libs.nvmeof.errors
import libs.rdsclient.errors
from libs.core import errors
from libs.csikit.status import CODES

WHAT_TO_DO: Mapping[type[errors.RdsCsiError], str] = {
    errors.InvalidRequest: "correct what the message names: mostly a key of the StorageClass",
    errors.OutOfRange: "ask for a size within the limits that the message says",
    errors.NotFound: "nothing, if something was to be deleted. Otherwise `rdsctl volume ID`: is it "
    "on the device?",
    errors.Conflict: "the StorageClass was changed while the claim was pending, or somebody else "
    "made the volume. Make the claim again under another name",
    errors.InUse: "do first what the message says: end the pod, detach, delete the copy",
    errors.Exhausted: "make room: `rdsctl orphans`, old snapshots, another `volumePath`",
    errors.Busy: "nothing: the call before is still under way, and this one comes again",
    errors.StaleToken: "nothing: whoever lists begins anew",
    errors.Unreachable: "nothing was changed and it is tried again. If it stays: "
    "[the device](../runbooks.md#rdscsideviceaway), or the host, is away",
    errors.OutcomeUnknown: "nothing: the next try finds out what was done. If it stays, the "
    "connection to the device breaks under load",
    errors.Unsupported: "use another layout or option, or a newer release, kernel or package, as "
    "the message says",
    errors.Refused: "read `detail` in the log: it has the words of the device or the kernel",
}
"""What a person does about each family."""

_SOURCES = (
    ("the device", libs.rdsclient.errors),
    ("the host", libs.nvmeof.errors),
    ("the Kubernetes API", libs.kube.errors),
)

_HEAD = """# All errors, and what to do

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

Every call ends with OK or with one of these. The *code* is what sidecars and the kubelet see,
beside a sentence that says what is wrong; the [log](../logs.md) has the same sentence, and in
`detail` what the device or the kernel said. The family says what may be concluded: above all
whether something may have been changed.

ABORTED and UNAVAILABLE are tried again by whoever called, until they end. All others are tried
again too, slower, as long as the claim or the pod is there; they do not end before somebody does
something.

What particular sentences mean is in [controller.md](../controller.md#what-an-answer-means) and
[node.md](../node.md#what-becomes-of-a-device).

## Families

| family | code | what it says | what to do |
|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
    return _HEAD + "\n".join([*_families(), *_kinds()]) + "\n"


def _families() -> Iterator[str]:
    for family, status in CODES.items():
        says = _summary(family)
        yield f"| `{family.__name__}` | {status.name} | {says} | {WHAT_TO_DO[family]} |"


def _kinds() -> Iterator[str]:
    yield "\n## Kinds\n"
    yield "Each kind of error belongs to a family, and has its code.\n"
    for source, module in _SOURCES:
        yield f"\nFrom {source}:\n"
        yield "| kind | family | what it says |"
        yield "|---|---|---|"
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and issubclass(kind, errors.RdsCsiError):
                family = next(base for base in kind.__mro__ if base in CODES)
                yield f"| `{name}` | `{family.__name__}` | {_summary(kind)} |"


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
