"""What is sent, to the letter: the device's console is the only one that reads it."""

import string
from collections.abc import Callable
from dataclasses import replace

import pytest

from libs.core.ids import Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient import commands
from libs.rdsclient.commands import Command
from libs.rdsclient.model import Features, Release

NEW = Features.of(Release(7, 24))
TEXT = replace(NEW, json=False, subvolumes=False)
SLOT = Slot.parse("pvc-1.a")

COPIED = r"(\[.\]\[0-9a-f\]+-\[0-9a-f\]+\[.\]of\[.\]\[^/\]+)\?"
ENDING = r"(\[.\]img|/volume\[.\]img)\$"
OWN = rf"(^|/)pvc-1\[.\]a{COPIED}"
EITHER = rf"({OWN}|\[.\]of\[.\]pvc-1\[.\]a)"
STATE = {
    "/disk": f'slot="pvc-1.a" or file-path~"{OWN}{ENDING}"',
    "/file": f'name~"{EITHER}{ENDING}"',
    "/disk ": 'mount-point~"."',
    "/disk/btrfs/subvolume": rf'fullname~"{EITHER}\$"',
}


def as_json(menu: str, where: str) -> str:
    listing = f"{menu}/print detail as-value where {where}"
    return f":put [:serialize to=json options=json.no-string-conversion [{listing}]]"


def as_text(menu: str, where: str) -> str:
    return f'{menu}/print detail where {where}; :put "rds-csi:end"'


IN_JSON = "; ".join(as_json(menu.strip(), where) for menu, where in STATE.items())
IN_TEXT = "; ".join(as_text(menu.strip(), where) for menu, where in list(STATE.items())[:3])


def line(text: str, listings: int, *, json: bool = True) -> Command:
    """Return a question, with nothing left to what a command has by default."""
    return Command(text, changes=False, listings=listings, json=json, seconds=0.0, secret="")


def change(text: str, secret: str = "") -> Command:
    """Return a change of the slot that was sent to a new release."""
    full = f'{text}; :put "rds-csi:changed"; {IN_JSON}'
    return Command(full, changes=True, listings=4, json=True, seconds=0.0, secret=secret)


@pytest.mark.parametrize(
    ("build", "sent"),
    [
        (lambda: commands.read_slot(NEW, SLOT), line(IN_JSON, 4)),
        (lambda: commands.read_slot(TEXT, SLOT), line(IN_TEXT, 3, json=False)),
        (
            lambda: commands.read_slot(replace(TEXT, json=True), SLOT),
            line("; ".join(as_json(m.strip(), w) for m, w in list(STATE.items())[:3]), 3),
        ),
        (commands.read_system, line("/system/resource/print", 0)),
        (commands.check_alive, line(':put "alive"', 0)),
        (
            lambda: commands.list_disks(NEW, ("a.", "b")),
            line(as_json("/disk", r'slot~"^(a\[.\]|b)" and type=file'), 1),
        ),
        (
            lambda: commands.list_disks(TEXT, ("a",)),
            line(as_text("/disk", 'slot~"^(a)" and type=file'), 1, json=False),
        ),
        (
            lambda: commands.list_inventory(NEW, ("a", "b.")),
            line(
                as_json("/disk", r'slot~"^(a|b\[.\])" and type=file')
                + "; "
                + as_json("/disk", 'mount-point~"."'),
                2,
            ),
        ),
        (
            lambda: commands.list_inventory(TEXT, ("a",)),
            line(
                as_text("/disk", 'slot~"^(a)" and type=file')
                + "; "
                + as_text("/disk", 'mount-point~"."'),
                2,
                json=False,
            ),
        ),
        (
            lambda: commands.read_pool(NEW, "raid10"),
            line(as_json("/disk", 'mount-point="raid10"'), 1),
        ),
        (
            lambda: commands.list_pool_disks(NEW, "raid.10"),
            line(as_json("/disk", r'file-path~"^/\?raid\[.\]10/"'), 1),
        ),
        (
            lambda: commands.list_files(NEW, DevicePath.parse("/raid10/v.1")),
            line(as_json("/file", r'name~"^raid10/v\[.\]1/"'), 1),
        ),
        (
            lambda: commands.read_identity(NEW),
            line(
                ":put [:serialize to=json options=json.no-string-conversion "
                "[/system/identity/print as-value]]",
                1,
            ),
        ),
        (lambda: commands.read_identity(TEXT), line("/system/identity/print", 0)),
    ],
)
def test_a_question_is_sent_as_the_release_understands_it(
    build: Callable[[], Command], sent: Command
) -> None:
    command = build()

    assert command == sent


PLAIN = string.ascii_letters + string.digits + " !#%&'()*+,-./:<=>@^_`|~"
ONE = '/disk/find where slot="pvc-1.a"'
HOST = "nvme-tcp-server-allow-host-name"


@pytest.mark.parametrize(
    ("build", "sent"),
    [
        (
            lambda: commands.grow_disk(NEW, SLOT, 2048, 1024, "raid10"),
            change(
                f":if (([:len [{ONE} and size<2048]] > 0) && "
                '([:len [/disk/find where mount-point="raid10" and free>=1024]] > 0)) '
                f"do={{/disk/set [{ONE} and size<2048] file-size=2048}}"
            ),
        ),
        (
            lambda: commands.set_export(NEW, SLOT, exported=True),
            change(f":if ([:len [{ONE}]] > 0) do={{/disk/set [{ONE}] nvme-tcp-export=yes}}"),
        ),
        (
            lambda: commands.set_export(NEW, SLOT, exported=False),
            change(f":if ([:len [{ONE}]] > 0) do={{/disk/set [{ONE}] nvme-tcp-export=no}}"),
        ),
        (
            lambda: commands.set_allowed_host(NEW, SLOT, "nqn.a"),
            change(f':if ([:len [{ONE}]] > 0) do={{/disk/set [{ONE}] {HOST}="nqn.a"}}'),
        ),
        (
            lambda: commands.set_allowed_host(NEW, SLOT, "nqn.a", only_fenced=True, cut=True),
            change(
                f':if ([:len [{ONE} and {HOST}!=""]] > 0) do={{'
                f'/disk/set [{ONE} and {HOST}!=""] {HOST}="nqn.a" nvme-tcp-export=no; '
                f'/disk/set [{ONE} and {HOST}!=""] nvme-tcp-export=yes}}'
            ),
        ),
        (
            lambda: commands.set_password(NEW, SLOT, Secret("s3$cret")),
            change(
                f":if ([:len [{ONE}]] > 0) do={{"
                rf'/disk/set [{ONE}] nvme-tcp-server-password="s3\$cret"}}',
                secret=r'"s3\$cret"',
            ),
        ),
    ],
)
def test_a_change_is_conditional_and_ends_by_reading_back(
    build: Callable[[], Command], sent: Command
) -> None:
    command = build()

    assert command == sent


def test_a_change_that_an_old_release_gets_ends_with_what_it_can_list() -> None:
    command = commands.set_export(TEXT, SLOT, exported=True)

    text = f":if ([:len [{ONE}]] > 0) do={{/disk/set [{ONE}] nvme-tcp-export=yes}}"
    assert command == Command(
        f'{text}; :put "rds-csi:changed"; {IN_TEXT}',
        changes=True,
        listings=3,
        json=False,
        seconds=0.0,
        secret="",
    )


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("", '""'),
        (PLAIN, f'"{PLAIN}"'),
        ("\n\r\t", r'"\n\r\t"'),
        ('"\\$?{}[];', r'"\"\\\$\?\{\}\[\]\;"'),
        ("\x00\x1f\x7f", r'"\00\1F\7F"'),
        ("\u00e9\u20ac", r'"\C3\A9\E2\82\AC"'),
    ],
)
def test_a_value_is_quoted_as_the_console_reads_it(value: str, token: str) -> None:
    assert commands.quote(value) == token


def test_a_line_is_shown_with_its_secret_covered_and_only_that() -> None:
    plain = Command("/disk/print")
    covered = Command('/set a="s3"; /set b="s3"', secret='"s3"')

    assert plain.shown == "/disk/print"
    assert covered.shown == '/set a="***"; /set b="***"'
    assert repr(covered) == "Command(changes=False, listings=0, json=True, seconds=0.0)"


def test_a_command_asks_for_nothing_and_changes_nothing_unless_it_says_so() -> None:
    command = Command("/quit")

    assert (command.changes, command.listings, command.json) == (False, 0, True)
    assert (command.seconds, command.secret) == (0.0, "")


def test_a_line_that_nothing_may_wait_for_takes_longer_than_any_batch() -> None:
    assert commands.ALONE == 60.0
