"""What is sent to make, copy and remove the bytes of volumes and snapshots, to the letter."""

from dataclasses import replace

import pytest

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient import commands, images
from libs.rdsclient.commands import Command
from libs.rdsclient.model import Branch, DiskSpec, Features, Release

NEW = Features.of(Release(7, 24))
OLD = replace(NEW, nqn=False, subvolumes=False)
TEXT = replace(OLD, json=False)
SLOT = Slot.parse("pvc-1")
PATH = DevicePath.parse("/raid10/v/pvc-1.img")
BRANCH = Branch("btr", "v/pvc-1")
SPEC = DiskSpec(SLOT, PATH, 4 << 30, Nqn.parse("nqn.2000-02.com.mikrotik:pvc-1"), 4420)

SUBVOLUME = "/disk/btrfs/subvolume"
IN_SLOT = '/disk/find where slot="pvc-1"'
OF_PATH = r'file-path~"^/\?raid10/v/pvc-1\[.\]img\$"'
THE_FILE = '/file/find where name="raid10/v/pvc-1.img"'
THE_BRANCH = f'{SUBVOLUME}/find where fs="btr" and fullname="v/pvc-1"'
COPIED = r"(\[.\]\[0-9a-f\]+-\[0-9a-f\]+\[.\]of\[.\]\[^/\]+)\?"
ENDING = r"(\[.\]img|/volume\[.\]img)\$"
FREE = (
    f"([:len [{IN_SLOT}]] = 0) && ([:len [/disk/find where {OF_PATH}]] = 0) && "
    '([:len [/disk/find where mount-point="raid10" and free>=%d]] > 0)'
)
ADD = (
    '/disk/add type=file file-path="/raid10/v/pvc-1.img" file-size=4294967296 slot="pvc-1" '
    "mount-filesystem=no nvme-tcp-export=%s nvme-tcp-server-port=4420"
)
NAMED = ' nvme-tcp-server-nqn="nqn.2000-02.com.mikrotik:pvc-1"'
ADD_BRANCH = f':if ([:len [{THE_BRANCH}]] = 0) do={{{SUBVOLUME}/add fs="btr" name="v/pvc-1"'


def change(features: Features, *statements: str, seconds: float = 0.0, secret: str = "") -> Command:
    """Return a change of the slot, with nothing left to what a command has by default."""
    state = commands.read_slot(features, SLOT)
    return Command(
        "; ".join([*statements, ':put "rds-csi:changed"', state.line]),
        changes=True,
        listings=state.listings,
        json=features.json,
        seconds=seconds,
        secret=secret,
    )


@pytest.mark.parametrize(
    ("features", "spec", "statement", "seconds"),
    [
        (
            NEW,
            SPEC,
            f":if ({FREE % (4 << 30)} && ([:len [{THE_FILE}]] = 0)) do={{{ADD % 'yes'}{NAMED}}}",
            0.2,
        ),
        (
            OLD,
            SPEC,
            f":if ({FREE % (4 << 30)} && ([:len [{THE_FILE}]] = 0)) do={{{ADD % 'yes'}}}",
            0.2,
        ),
        (
            NEW,
            replace(SPEC, adopts=True, room=0, exported=False),
            f":if ({FREE % 0} && ([:len [{THE_FILE}]] > 0)) do={{{ADD % 'no'}{NAMED}}}",
            0.0,
        ),
        (
            NEW,
            replace(SPEC, branch=BRANCH),
            (
                f":if ({FREE % (4 << 30)} && ([:len [{THE_FILE}]] = 0)) "
                f"do={{{ADD_BRANCH}}}; {ADD % 'yes'}{NAMED}}}"
            ),
            0.2,
        ),
        (
            NEW,
            replace(SPEC, branch=replace(BRANCH, parent="v/snap-2"), adopts=True, room=5),
            f':if ({FREE % 5}) do={{{ADD_BRANCH} parent="v/snap-2"}}; {ADD % "yes"}{NAMED}}}',
            0.0,
        ),
    ],
)
def test_a_disk_is_made_only_where_everything_is_as_it_should_be(
    features: Features, spec: DiskSpec, statement: str, seconds: float
) -> None:
    command = images.create_disk(features, spec)

    assert command == change(features, statement, seconds=seconds)


def test_a_disk_is_made_for_one_host_that_knows_a_secret() -> None:
    spec = replace(SPEC, allowed_host="nqn.a", password=Secret("s3$"))

    command = images.create_disk(NEW, spec)

    fence = ' nvme-tcp-server-allow-host-name="nqn.a" nvme-tcp-server-password="s3\\$"'
    statement = (
        f":if ({FREE % (4 << 30)} && ([:len [{THE_FILE}]] = 0)) do={{{ADD % 'yes'}{NAMED}{fence}}}"
    )
    assert command == change(NEW, statement, seconds=0.2, secret='"s3\\$"')


def test_a_subvolume_is_frozen_where_its_source_is_there_and_the_slot_has_none_yet() -> None:
    command = images.freeze_branch(NEW, SLOT, replace(BRANCH, name="v/a/pvc-1", parent="v/b"))

    none = rf'{SUBVOLUME}/find where fs="btr" and fullname~"^v/a/pvc-1{COPIED}\$"'
    source = f'{SUBVOLUME}/find where fs="btr" and fullname="v/b"'
    exact = f'{SUBVOLUME}/find where fs="btr" and fullname="v/a/pvc-1"'
    add = f'{SUBVOLUME}/add fs="btr" name="v/a/pvc-1" parent="v/b" read-only=yes'
    assert command == change(
        NEW,
        f":if (([:len [{none}]] = 0) && ([:len [{source}]] > 0)) "
        f"do={{:if ([:len [{exact}]] = 0) do={{{add}}}}}",
    )


def test_an_image_is_copied_where_it_is_there_and_the_slot_has_none_yet() -> None:
    command = images.copy_image(NEW, SLOT, PATH, DevicePath.parse("/b/c.d/t.img"), 4 << 30)

    none = rf'/file/find where name~"^b/c\[.\]d/pvc-1{COPIED}{ENDING}"'
    room = '/disk/find where mount-point="b" and free>=4294967296'
    assert command == change(
        NEW,
        f":if (([:len [{none}]] = 0) && ([:len [{THE_FILE}]] > 0) && ([:len [{room}]] > 0)) "
        'do={/file/copy src="raid10/v/pvc-1.img" dst="b/c.d/t.img"}',
        seconds=60.2,
    )


HERE = f'/disk/find where slot="pvc-1" and {OF_PATH}'
MOUNTED = '([:len [/disk/find where mount-point="raid10" and free>=0]] > 0)'
NO_FILES = rf' && ([:len [/file/find where name~"\[.\]of\[.\]pvc-1{ENDING}"]] = 0)'
NO_BRANCHES = rf' && ([:len [{SUBVOLUME}/find where fullname~"\[.\]of\[.\]pvc-1\$"]] = 0)'
UNUSED = f"([:len [/disk/find where {OF_PATH}]] = 0)"
DROP = f"do={{/disk/set [{HERE}] nvme-tcp-export=no; /disk/remove [{HERE}]}}"
DROP_FILE = f":if (([:len [{THE_FILE}]] > 0) && {UNUSED}%s) do={{/file/remove [{THE_FILE}]}}"
DROP_BRANCH = (
    f":if (([:len [{THE_BRANCH}]] > 0) && {UNUSED}%s) do={{{SUBVOLUME}/remove [{THE_BRANCH}]}}"
)


@pytest.mark.parametrize(
    ("features", "branch", "copied", "no_copies"),
    [
        (NEW, None, False, NO_FILES + NO_BRANCHES),
        (NEW, BRANCH, False, NO_FILES + NO_BRANCHES),
        (NEW, BRANCH, True, ""),
        (TEXT, None, False, NO_FILES),
    ],
)
def test_a_disk_goes_with_its_file_and_subvolume_once_nothing_refers_to_them(
    features: Features, branch: Branch | None, no_copies: str, *, copied: bool
) -> None:
    command = images.remove_disk(features, SLOT, PATH, branch, copied=copied)

    conditions = f"([:len [{HERE}]] > 0) && {MOUNTED}{no_copies}"
    statements = [f":if ({conditions}) {DROP}", DROP_FILE % no_copies]
    assert command == change(features, *statements, *([DROP_BRANCH % no_copies] if branch else []))


def test_a_file_or_subvolume_alone_goes_where_no_disk_refers_to_it() -> None:
    file = images.remove_image(NEW, SLOT, PATH)
    seen = images.remove_image(NEW, SLOT, PATH, 2)
    uncopied = images.remove_image(NEW, SLOT, PATH, 0)
    branch = images.remove_branch(NEW, SLOT, PATH, BRANCH)

    assert file == change(NEW, DROP_FILE % "")
    assert seen == change(NEW, DROP_FILE % NO_FILES.replace("= 0)", "<= 2)"))
    assert uncopied == change(NEW, DROP_FILE % NO_FILES.replace("= 0)", "<= 0)"))
    assert branch == change(NEW, DROP_BRANCH % "")


def test_a_person_removes_a_file_with_one_line() -> None:
    line = images.removal_by_hand(PATH)

    assert line == '/file/remove [find name="raid10/v/pvc-1.img"]'


SNAPSHOT = r"(^|/)snap-\[^/\]*\[.\]of\[.\]\[^/\]+"


def asked(features: Features, *listings: tuple[str, str]) -> Command:
    """Return a question for several listings, with nothing left to defaults."""
    whole = (
        ":put [:serialize to=json options=json.no-string-conversion [%s/print detail as-value "
        "where %s]]"
        if features.json
        else '%s/print detail where %s; :put "rds-csi:end"'
    )
    return Command(
        "; ".join(whole % listing for listing in listings),
        changes=False,
        listings=len(listings),
        json=features.json,
        seconds=0.0,
        secret="",
    )


POOLS = ("/disk", 'mount-point~"."')


@pytest.mark.parametrize("features", [NEW, OLD, TEXT])
def test_snapshots_are_files_and_where_there_are_any_subvolumes(features: Features) -> None:
    command = images.list_snapshots(features)

    files = ("/file", rf'name~"{SNAPSHOT}\[.\]img\$"')
    branches = (SUBVOLUME, rf'fullname~"{SNAPSHOT}\$"')
    assert command == asked(features, files, POOLS, *[branches][: features.subvolumes])


@pytest.mark.parametrize("features", [NEW, OLD, TEXT])
def test_all_that_is_stored_is_asked_for_in_one_line(features: Features) -> None:
    command = images.list_storage(features, (PATH.parent, DevicePath.parse("/b/c.d")))

    files = ("/file", r'name~"^(raid10/v|b/c\[.\]d)/"')
    branches = (SUBVOLUME, 'fullname~"."')
    assert command == asked(
        features, ("/disk", "type=file"), files, POOLS, *[branches][: features.subvolumes]
    )
