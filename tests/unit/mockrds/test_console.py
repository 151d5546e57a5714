"""The simulated console answers as RouterOS answers, and accepts nothing silently."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.mockrds.dataplane import SparseFiles
from libs.mockrds.device import Device
from libs.mockrds.errors import ScriptError
from libs.mockrds.files import Pool
from libs.mockrds.interpreter import Interpreter
from libs.mockrds.parser import parse
from libs.mockrds.render import Console
from libs.rdsclient import commands, images, replies
from libs.rdsclient.commands import quote
from libs.rdsclient.model import DiskSpec, SlotState
from tests.strategies.device import LATEST

ADD = "/disk/add type=file slot={0} file-path=/raid10/{0}.img file-size=1G mount-filesystem=no"


def device() -> Device:
    return Device([Pool("raid10", 10 * GIB)])


def run(line: str, on: Device | None = None, width: int = 80) -> str:
    text, _ = Interpreter(on or device(), Console(width)).run(line)
    return text.replace("\r\n", "\n").removesuffix("\n")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_value_that_the_client_quotes_is_read_as_that_value(value: str) -> None:
    assert Interpreter(device()).run(f":put {quote(value)}") == (value + "\r\n", "")


@given(st.text())
def test_any_line_is_parsed_or_refused_and_nothing_else(line: str) -> None:
    check_parses(line)


@given(st.text(alphabet=':/[](){}";=~$\\ puthif diskadwre.\n'))
def test_lines_that_look_like_scripts_are_parsed_or_refused_too(line: str) -> None:
    check_parses(line)


def check_parses(line: str) -> None:
    complaint = "(line "
    try:
        parse(line)
    except ScriptError as error:
        complaint = error.text
    assert "(line " in complaint


@pytest.mark.parametrize("opening", ["[", "(", "{", ":put [", "!"])
def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack(opening: str) -> None:
    with pytest.raises(ScriptError):
        parse(":put (" + opening * 10_000)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/foo", "bad command name foo (line 1 column 2)"),
        ("/disk/foo", "bad command name foo (line 1 column 7)"),
        ("foo", "bad command name foo (line 1 column 1)"),
        (":foo", "bad command name foo (line 1 column 2)"),
        ("/disk/", "expected command name (line 1 column 7)"),
        ("/disk/print bar", "bad parameter bar (line 1 column 13)"),
        ("/disk/add colour=red", "bad parameter colour (line 1 column 11)"),
        (":put 1 2", "bad parameter 2 (line 1 column 8)"),
        (":put", "failure: a value is missing"),
        (':put "a', "expected closing quote (line 1 column 6)"),
        (":put (1", "syntax error (line 1 column 8)"),
        (":put a]", "syntax error (line 1 column 7)"),
        ("/disk/remove 0", "no such item"),
        ("/disk/remove *99", "no such item"),
        ("/disk/get *99 size", "no such item"),
        (":if (1) do={}", "conditional not boolean"),
        ("/disk/add type=raid slot=a", "input does not match any value of type"),
        ("/disk/add type=file slot=a", "failure: file-path must be specified"),
        ("/disk/add type=file slot=a file-path=/raid10/a", "failure: file-size must be specified"),
        ("/disk/add type=file slot=a file-path=/no/a file-size=1", "failure: no such directory"),
        (
            "/disk/add type=file slot=a file-path=/raid10/a file-size=x",
            "invalid value for argument file-size",
        ),
        ("/disk/add type=file slot=a swap=maybe", "invalid value for argument swap"),
        (ADD.format("raid10"), "failure: already have such entry"),
        (
            "/disk/add type=file slot=a file-path=/raid10/a file-size=11G",
            "failure: not enough space",
        ),
        (":put [:serialize to=dsv 1]", "input does not match any value of to"),
        (':error "as told"', "as told"),
    ],
)
def test_a_line_that_is_wrong_is_answered_as_the_device_answers(line: str, answer: str) -> None:
    assert run(line) == answer


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", ""),
        (":put a; :put b", "a\nb"),
        (":put a;; ;:put b", "a\nb"),
        (":if (1 = 1 && 2 < 3) do={:put y} else={:put n}", "y"),
        (":if (1 = 2 or !(3 >= 3)) do={:put y} else={:put n}", "n"),
        (':if ("abc" ~ "^a.c$") do={:put y}', "syntax error (line 1 column 19)"),
        (':if ("abc" ~ "^a.c\\$") do={:put y}', "y"),
        (':do {:error "x"} on-error={:put caught}', "caught"),
        (':onerror e in={:error "why"} do={:put $e}', "why"),
        (":local a 5; :put ($a + 2)", "7"),
        (':put ("a" . "b")', "ab"),
        (":put [:len [/disk/find]]", "1"),
        (":put [:len abc]", "3"),
        (':put [/disk/get [/disk/find slot="raid10"] size]', str(10 * GIB)),
        ("/disk print count-only", "1"),
        ("/system identity print", " name: rds"),
    ],
)
def test_the_language_does_what_it_says(line: str, answer: str) -> None:
    assert run(line) == answer


def test_a_mistake_anywhere_in_a_line_keeps_all_of_it_from_running() -> None:
    on = device()

    answer = run(ADD.format("a") + "; /disk/frob", on)

    assert answer.startswith("bad command name frob")
    assert on.disks == []


def test_an_error_keeps_what_was_printed_and_stops_the_rest() -> None:
    on = device()

    answer = run(f":put first; {ADD.format('a')}; {ADD.format('a')}; :put last", on)

    assert answer == "first\nfailure: already have such entry"
    assert len(on.disks) == 1


def test_a_disk_that_nobody_told_otherwise_is_mounted_by_the_device() -> None:
    on = device()

    run("/disk/add type=file slot=a file-path=/raid10/a file-size=1M", on)

    assert on.disks[0].properties["mount-filesystem"] is True


def test_removing_the_item_leaves_the_file_and_a_file_in_use_stays() -> None:
    on = device()
    run(ADD.format("a"), on)

    refused = run('/file/remove [/file/find name="raid10/a.img"]', on)
    run("/disk/remove [/disk/find slot=a]", on)

    assert refused == "failure: file is in use"
    assert on.files == {"raid10/a.img": GIB}


def test_a_disk_grows_and_is_not_shrunk_and_room_is_counted() -> None:
    on = device()
    run(ADD.format("a"), on)

    shrunk = run("/disk/set [find slot=a] file-size=1M", on)
    full = run("/disk/set [/disk/find slot=a] file-size=11G", on)
    run("/disk/set [/disk/find slot=a] file-size=4G", on)

    assert shrunk == "failure: cannot shrink file"
    assert full == "failure: not enough space"
    assert on.free(on.pools[0]) == 6 * GIB
    assert run("/disk/set [/disk/find slot=a] file-size=1G", on) == "failure: cannot shrink file"


def test_changing_nothing_is_silent_or_an_error_as_the_device_is_set() -> None:
    on = device()
    line = "/disk/remove [/disk/find slot=none]"

    assert run(line, on) == ""
    on.strict_empty = True
    assert run(line, on) == "no such item"


def test_json_keeps_numbers_as_they_are_only_when_told_to() -> None:
    on = device()
    run(ADD.format("123"), on)
    listing = "[/disk/print as-value where slot=123]"

    kept = json.loads(
        run(f":put [:serialize to=json options=json.no-string-conversion {listing}]", on)
    )
    turned = run(f":put [:serialize to=json {listing}]", on)

    assert kept[0]["slot"] == "123"
    assert kept[0]["size"] == GIB
    assert '"slot": 123.0' in turned


def test_a_password_is_never_shown() -> None:
    on = device()
    run(ADD.format("a") + " nvme-tcp-server-password=hunter2", on)

    assert "hunter2" not in run("/disk/print detail", on) + run(":put [/disk/print as-value]", on)


@pytest.mark.parametrize("width", [40, 80, 1024])
def test_a_listing_for_people_is_wrapped_grouped_and_rounded(width: int) -> None:
    on = device()
    run(ADD.format("pvc-1"), on)

    lines = run("/disk/print detail", on, width).split("\n")

    assert lines[0].startswith("Flags:")
    assert max(map(len, lines[1:])) <= max(width, 45)
    text = " ".join(line.strip() for line in lines)
    assert 'slot="pvc-1"' in text
    assert "size=1 073 741 824" in text
    assert "file-size=1.0GiB" in text


def test_files_are_kept_on_disk_where_that_is_asked_for(tmp_path: Path) -> None:
    on = Device([Pool("raid10", 10 * GIB)], plane=SparseFiles(tmp_path))
    run(ADD.format("a"), on)
    image = tmp_path / "raid10" / "a.img"

    assert image.stat().st_size == GIB
    run("/disk/set [/disk/find slot=a] file-size=2G", on)
    assert image.stat().st_size == 2 * GIB
    run("/disk/remove [/disk/find slot=a]; /file/remove [/file/find]", on)
    assert not image.exists()


def test_the_data_plane_does_not_leave_its_directory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        SparseFiles(tmp_path / "inner").resize("../x", 1)


slots = st.from_regex(r"(pvc|vol)-[a-z0-9._-]{1,20}", fullmatch=True).map(Slot.parse)
sizes = st.integers(1, 3 * GIB // 4096).map(lambda blocks: blocks * 4096)


@given(slots, sizes)
def test_what_the_client_asks_for_is_what_it_reads_back(slot: Slot, size: int) -> None:
    on = device()
    path = DevicePath.parse("/raid10/volumes").image_of(slot)
    spec = DiskSpec(slot, path, size, Nqn.parse(f"nqn.2000-02.com.mikrotik:{slot}"), 4420)

    def do(command: commands.Command) -> SlotState:
        return replies.parse_slot(run(command.line, on), command, slot)

    made, again = do(images.create_disk(LATEST, spec)), do(images.create_disk(LATEST, spec))
    grown = do(commands.grow_disk(LATEST, slot, size * 2, size, "raid10"))
    gone = do(images.remove_disk(LATEST, slot, path, None, copied=False))

    assert made == again
    assert made.disk is not None
    assert (made.disk.size, made.disk.path, made.disk.slot) == (size, path.text, slot.text)
    assert grown.disk is not None
    assert grown.disk.size == size * 2
    assert (gone.disk, gone.files) == (None, ())
    assert gone.pools[0].free == 10 * GIB
