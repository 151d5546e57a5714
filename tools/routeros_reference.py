"""docs/reference/routeros.md: every line that the driver sends to a device, as the code makes it.

The lines are rendered by the code with values of an example. A test fails where the code has a
command that is not shown here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import GIB
from libs.rdsclient import commands, health, images
from libs.rdsclient.model import Branch, DiskSpec, Features, Release

_FEATURES = Features.of(Release(7, 24))
_SLOT = Slot("pvc-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
_PATH = DevicePath.parse(f"/raid10/volumes/{_SLOT.text}.img")
_DIRECTORY = DevicePath.parse("/raid10/volumes")
_NQN = Nqn(f"nqn.2000-02.com.mikrotik:{_SLOT.text}")
_HOST = "nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427"
_SNAPSHOT = Slot("snap-7c9e6679-7425-40de-944b-e07fc1f90ae7")
_FROZEN = f"volumes/{_SNAPSHOT.text}.6740f000-280000000.of.{_SLOT.text}"
_BRANCH = Branch("pool", f"volumes/{_SLOT.text}")
_SIZE = 10 * GIB
_PREFIXES = ("pvc-", "vol-")


@dataclass(frozen=True, slots=True)
class Shown:
    """A command with the values of the example.

    Attributes:
        when: what the driver does when it sends it.
        make: the function that makes the line.
        values: what it is given, beside what the release can do where it asks for that.
        named: likewise, by name.
    """

    when: str
    make: Any
    values: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None


_SPEC = DiskSpec(_SLOT, _PATH, _SIZE, _NQN, 4420)

SHOWN: Mapping[str, Sequence[Shown]] = {
    "Looking": (
        Shown("connecting", commands.read_system),
        Shown("connecting", commands.read_identity, (_FEATURES,)),
        Shown("nothing was heard for five seconds", commands.check_alive),
        Shown("any call for one volume", commands.read_slot, (_FEATURES, _SLOT)),
        Shown("GetCapacity", commands.read_pool, (_FEATURES, "raid10")),
        Shown("`--overcommit`", commands.list_pool_disks, (_FEATURES, "raid10")),
        Shown(
            "`rdsctl preflight`, and `--volume-traffic`",
            commands.list_disks,
            (_FEATURES, _PREFIXES),
        ),
        Shown("ListVolumes", commands.list_inventory, (_FEATURES, _PREFIXES)),
        Shown("ListSnapshots", images.list_snapshots, (_FEATURES,)),
        Shown(
            "tests on a device; no service sends it", commands.list_files, (_FEATURES, _DIRECTORY)
        ),
        Shown(
            "the reconciler's passes, and `rdsctl preflight`",
            images.list_storage,
            (_FEATURES, (_DIRECTORY,)),
        ),
        Shown("a scrape of metrics", health.list_health, (_FEATURES,)),
        Shown("a scrape of metrics", health.read_traffic, (("nvme1",),)),
        Shown("a scrape of metrics, from 7.23 on", health.read_smart, (("nvme1",),)),
    ),
    "Changing": (
        Shown("CreateVolume", images.create_disk, (_FEATURES, _SPEC)),
        Shown(
            "ControllerExpandVolume",
            commands.grow_disk,
            (_FEATURES, _SLOT, 2 * _SIZE, _SIZE, "raid10"),
        ),
        Shown(
            "mending a creation that was cut off",
            commands.set_export,
            (_FEATURES, _SLOT),
            {"exported": True},
        ),
        Shown(
            "fencing: shutting a node out",
            commands.set_allowed_host,
            (_FEATURES, _SLOT, _HOST),
            {"only_fenced": True, "cut": True},
        ),
        Shown("`auth=dhchap`", commands.set_password, (_FEATURES, _SLOT, Secret("example-secret"))),
        Shown(
            "CreateSnapshot, `layout=subvolume`",
            images.freeze_branch,
            (_FEATURES, _SNAPSHOT, Branch("pool", _FROZEN, f"volumes/{_SLOT.text}")),
        ),
        Shown(
            "CreateSnapshot or a clone, `layout=file`",
            images.copy_image,
            (_FEATURES, _SNAPSHOT, _PATH, DevicePath.parse(f"/raid10/{_FROZEN}.img"), _SIZE),
        ),
        Shown(
            "DeleteVolume", images.remove_disk, (_FEATURES, _SLOT, _PATH, None), {"copied": False}
        ),
        Shown(
            "DeleteSnapshot; orphans, without the number of copies",
            images.remove_image,
            (_FEATURES, _SLOT, _PATH),
            {"copies": 0},
        ),
        Shown(
            "likewise, of a subvolume",
            images.remove_branch,
            (_FEATURES, _SLOT, _PATH, _BRANCH),
        ),
    ),
}
"""What is sent when."""

_HEAD = """# RouterOS commands

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

Every line that the driver sends to a device, with the values of an example and in the form for
RouterOS 7.24 (before 7.16 answers are text instead of JSON). One line is one SSH exec. A line that
changes something does so only under conditions which it checks on the device itself, and ends by
printing what there is then: so it may be sent twice, and its answer is the proof. Commands that
wait at the same time may share an exec.

The user needs `ssh` to log in, `read` for what looks, `write` for what changes, and `test` for
`/disk/monitor-traffic`. `rdsctl preflight` sends only what looks.
"""


def render() -> str:
    """Return the page."""
    lines = [_HEAD]
    for title, group in SHOWN.items():
        lines.append(f"## {title}\n")
        for shown in group:
            command = shown.make(*shown.values, **(shown.named or {}))
            says = (getdoc(shown.make) or "").split("\n\n")[0].replace("\n", " ")
            lines += [f"### {shown.make.__name__}\n", f"For: {shown.when}. {says}\n"]
            lines += ["```routeros", *_folded(command.shown), "```\n"]
    return "\n".join(lines).rstrip() + "\n"


def _folded(line: str) -> list[str]:
    """Return the statements of a line, one each, to be read: it is sent without the breaks."""
    return line.replace("; ", ";\n").splitlines()
