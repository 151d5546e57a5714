"""The simulated device is not kinder than the real one, and forgets nothing."""

from pathlib import Path

import pytest

from libs.core.size import GIB
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault, Faults
from libs.mockrds.files import Pool
from libs.mockrds.interpreter import Interpreter
from libs.mockrds.latency import Latency
from libs.mockrds.options import parse_options
from libs.mockrds.store import Store

ADD = "/disk/add type=file slot=a file-path=/raid10/a.img file-size=1G"


def device() -> Device:
    return Device([Pool("raid10", 10 * GIB)])


def run(line: str, on: Device | None = None) -> str:
    return Interpreter(on or device()).run(line)[0].replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (f"{ADD}; /disk/set [find slot=a] type=file", "failure: cannot change type"),
        (f"{ADD}; /disk/set [find slot=a] file-path=/b", "failure: cannot change file-path"),
        (f"{ADD} nvme-tcp-server-port=0", "invalid value for argument nvme-tcp-server-port"),
        (f"{ADD} nvme-tcp-server-port=65536", "invalid value for argument nvme-tcp-server-port"),
        (f"{ADD} swap=no swap=yes", "bad parameter swap (line 1 column 73)"),
        (ADD.replace("/a.img", "/../a.img"), "invalid value for argument file-path"),
    ],
)
def test_what_would_be_misunderstood_is_refused(line: str, answer: str) -> None:
    assert run(line) == answer


def test_a_find_within_a_command_looks_in_the_menu_of_that_command() -> None:
    on = device()

    grown = run(f"{ADD}; /disk/set [find slot=a] file-size=2G; /disk/print count-only", on)
    in_block = run("/disk/set [find slot=a] comment=[:if (1=1) do={/file/find}]", on)

    assert (grown, in_block) == ("2", "")
    assert on.files == {"raid10/a.img": 2 * GIB}
    assert run(":put [find]") == "bad command name find (line 1 column 7)"


def test_only_the_properties_that_were_asked_for_are_listed() -> None:
    assert run(f"{ADD}; :put [/disk/print as-value proplist=slot,size where slot=a]") == (
        f".id=*21;slot=a;size={GIB}"
    )


def test_what_is_in_a_pool_that_is_not_mounted_is_not_shown_and_comes_back_with_it() -> None:
    on = Device([Pool("raid10", 10 * GIB), Pool("btr", 10 * GIB, "btrfs")])
    run(f"{ADD}; /disk/btrfs/subvolume/add fs=btr name=b", on)
    shown = ":put [:len [/disk/find where type=file]]; :put [:len [/file/find]]"
    shown += "; :put [:len [/disk/btrfs/subvolume/find]]"

    there = run(shown, on)
    for pool in on.pools:
        pool.mounted = False
    gone = run(shown, on)
    copied = run("/file/copy src=raid10/a.img dst=raid10/b.img", on)
    removed = run("/disk/remove [find where slot=a]; /file/remove [find]", on)
    for pool in on.pools:
        pool.mounted = True

    assert (there, gone) == ("1\n1\n1", "1\n0\n0")
    assert (copied, removed) == ("no such item", "")
    assert run(shown, on) == "0\n1\n1"


@pytest.mark.parametrize(("count", "amount"), [(0, 0.0), (-1, 0.0), (1, -1.0), (1, float("nan"))])
def test_a_fault_that_makes_no_sense_is_refused(count: int, amount: float) -> None:
    with pytest.raises(ValueError, match="count must be at least 1"):
        Fault(Action.DELAY, count=count, amount=amount)


def test_equal_faults_take_turns_and_a_refusal_waits_for_a_session() -> None:
    faults = Faults([Fault(Action.REFUSE), Fault(Action.HANG, "a"), Fault(Action.HANG, "a")])

    hung = [faults.take("a"), faults.take("a"), faults.take("a")]

    assert [fault is not None for fault in hung] == [True, True, False]
    assert [faults.take_refusal(), faults.take_refusal()] == [True, False]


@pytest.mark.parametrize("size", ["file-size=107374182400", "file-size=100G", 'file-size="100G"'])
@pytest.mark.parametrize("command", ["/disk/add", "/disk add"])
def test_adding_takes_longer_the_more_is_added_in_every_spelling(command: str, size: str) -> None:
    assert Latency(per_gib=0.5).of(f"{command} type=file {size}") == 50


def test_the_kept_state_is_the_same_state_and_its_passwords_are_for_its_owner_only(
    tmp_path: Path,
) -> None:
    on, other = device(), device()
    other.plane = on.plane  # compared by identity
    run(f"{ADD} nvme-tcp-server-password=hunter2", on)

    Store(tmp_path).save(on)
    Store(tmp_path).load(other)

    (file,) = tmp_path.iterdir()
    assert other == on
    assert "hunter2" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("flag", ["--release=newest", "--sessions=-1", "--width=wide"])
def test_a_setting_that_no_device_could_have_is_refused_at_the_start(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_options([flag, "--password=x"], {})

    assert "must be" in capsys.readouterr().err


def test_a_flag_outweighs_its_variable() -> None:
    environ = {"RDS_MOCK_PASSWORD": "x", "RDS_MOCK_USER": "b", "RDS_MOCK_READ_ONLY_USER": "yes"}

    options = parse_options(["--user=a"], environ)

    assert (options.user, options.password, options.read_only_user) == ("a", "x", True)
