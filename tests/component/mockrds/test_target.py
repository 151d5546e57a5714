"""What the simulator asks of a kernel's NVMe target; the target is a tree that knows its rules."""

import errno
import json
from pathlib import Path
from uuid import uuid4

import pytest

from libs.core.size import MIB
from libs.mockrds.device import Device
from libs.mockrds.errors import ConsoleError
from libs.mockrds.exports import Portal
from libs.mockrds.store import Store
from libs.mockrds.testing import running_device
from tests.component.mockrds.rig import ADD, ALLOW, KEY, NQN, Rig, made
from tests.fakes.configfs import FakeConfigfs


def test_a_disk_is_offered_as_it_was_added_and_then_as_it_was_changed(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    (first,) = rig.exported().values()
    rig.say(f"/disk/set [find slot=a] {ALLOW}=nqn.h nvme-tcp-server-port=4421")
    (second,) = rig.exported().values()
    rig.say("/disk/set [find slot=a] nvme-tcp-export=no")

    assert (first.nqn, first.path) == (NQN, str(rig.path / "raid10/a.img"))
    assert (first.enabled, first.any_host) == (True, True)
    assert first.portals == {Portal("127.0.0.1", 4420)}
    assert [host.nqn for host in second.hosts] == ["nqn.h"]
    assert not second.any_host
    assert second.portals == {Portal("127.0.0.1", 4421)}
    assert rig.exported() == {}


def test_a_change_within_a_line_takes_effect_before_the_next(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    done = len(rig.tree.writes)

    rig.say(
        "/disk/set [find slot=a] nvme-tcp-export=no; /disk/set [find slot=a] nvme-tcp-export=yes"
    )

    link = f"ports/4420/subsystems/{NQN}"
    assert [w.partition("->")[0] for w in rig.tree.writes[done:] if link in w] == [f"-{link}", link]


def test_a_grown_file_is_looked_at_again(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    done = len(rig.tree.writes)

    rig.say("/disk/set [find slot=a] file-size=32M")

    assert rig.tree.writes[done:] == [f"subsystems/{NQN}/namespaces/1/revalidate_size=1"]
    assert (rig.path / "raid10/a.img").stat().st_size == 32 * MIB


def test_a_removed_disk_is_not_offered_and_another_of_its_name_is_another(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    first = rig.exported()[NQN].uuid
    rig.say("/disk/remove [find slot=a]")
    gone = rig.exported()

    rig.say(ADD.format("a"))

    assert gone == {}
    assert rig.exported()[NQN].uuid != first


def test_who_was_killed_is_followed_by_one_who_touches_nothing_that_is_right(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("state"))
    rig.say(ADD.format("a"), ADD.format("b"))
    store.save(rig.device)
    done, before = len(rig.tree.writes), rig.exported()

    again = made(rig.path, rig.tree)
    store.load(again.device)
    again.device.export()

    about_disks = [w for w in rig.tree.writes[done:] if "probe" not in w]
    assert {w.rpartition("/")[2] for w in about_disks} == {"revalidate_size=1"}
    assert again.exported() == before


def test_what_listens_in_another_network_namespace_is_linked_again(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    done, before = len(rig.tree.writes), rig.exported()

    again = made(rig.path, rig.tree, is_open=False)
    again.device.disks[:], again.device.serial = rig.device.disks, rig.device.serial
    again.device.export()

    assert f"-ports/4420/subsystems/{NQN}" in rig.tree.writes[done:]
    assert again.exported() == before


def test_who_lost_its_state_takes_down_what_it_exported(rig: Rig) -> None:
    rig.say(ADD.format("a"))

    made(rig.path, rig.tree).device.export()

    assert rig.exported() == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EROFS, "read-only subvolume"), (errno.EINVAL, "filesystem"), (errno.EIO, "EIO")],
)
def test_what_the_kernel_refuses_is_refused_and_leaves_no_disk(
    rig: Rig, code: int, words: str
) -> None:
    rig.say(ADD.format("b"))
    rig.tree.refusals[str(rig.path / "raid10/a.img")] = code

    answer = rig.say(ADD.format("a"))

    assert answer.startswith(f"failure: cannot export {NQN}: ")
    assert words in answer
    assert [disk.properties["slot"] for disk in rig.device.disks] == ["b"]
    assert not (rig.path / "raid10/a.img").exists()
    assert list(rig.exported()) == [NQN.replace(":a", ":b")]


def test_a_change_that_the_kernel_refuses_is_taken_back(rig: Rig) -> None:
    rig.say(ADD.format("a").replace("export=yes", "export=no"))
    rig.tree.refusals[str(rig.path / "raid10/a.img")] = errno.EROFS

    answer = rig.say("/disk/set [find slot=a] nvme-tcp-export=yes comment=changed")

    assert answer.startswith("failure: cannot export")
    assert rig.device.disks[0].properties["nvme-tcp-export"] is False
    assert rig.device.disks[0].properties["comment"] == ""


def test_two_passwords_for_one_host_are_refused(rig: Rig) -> None:
    rig.say(ADD.format("a") + f"{ALLOW}=nqn.h {KEY}=one")

    answer = rig.say(ADD.format("b") + f"{ALLOW}=nqn.h {KEY}=two")

    assert answer == "failure: Linux keeps one key for a host, and nqn.h has two"
    assert list(rig.exported()) == [NQN]


@pytest.mark.parametrize(
    ("more", "has_keys", "state"),
    [
        ("", True, "off"),
        (f"{KEY}=one {ALLOW}=nqn.h", True, "required"),
        (f"{KEY}=one {ALLOW}=nqn.h", False, "not enforced: this kernel"),
        (f"{KEY}=one", True, "not enforced: Linux asks only hosts on a list"),
    ],
)
def test_it_is_told_whether_a_password_protects_anything(
    tmp_path: Path, more: str, *, has_keys: bool, state: str
) -> None:
    rig = made(tmp_path, FakeConfigfs(has_keys=has_keys))
    rig.say(ADD.format("a") + more)

    (described,) = rig.plane().describe()

    assert str(described["authentication"]).startswith(state)
    keys = [bool(host.key) for host in rig.exported()[NQN].hosts]
    assert keys == ([state == "required"] if ALLOW in more else [])


def test_two_disks_of_one_nqn_are_refused(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    derived = ADD.format("a.b").replace(f"nvme-tcp-server-nqn={NQN}.b", "")
    rig.say(derived)

    answer = rig.say(f"/disk/set [find slot=a] nvme-tcp-server-nqn={NQN}.b")

    assert answer == "failure: two disks have the same NQN"
    assert sorted(rig.exported()) == [NQN, f"{NQN}.b"]


def test_what_is_changed_while_the_device_is_away_is_offered_when_it_is_back(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    rig.plane().withdraw()
    rig.device.disks[0].properties[ALLOW] = "nqn.h"
    rig.device.export()
    away = rig.exported()

    rig.plane().restore()

    assert away == {}
    assert [host.nqn for host in rig.exported()[NQN].hosts] == ["nqn.h"]


def test_a_replaced_device_has_the_same_disks_with_other_identities_and_no_data(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    before = rig.exported()[NQN].uuid
    (rig.path / "raid10/a.img").write_bytes(b"x" * 16 * MIB)

    rig.device.replace()

    assert rig.exported()[NQN].uuid != before
    assert (rig.path / "raid10/a.img").read_bytes() == bytes(16 * MIB)


def test_somebody_elses_subsystem_is_not_taken_for_ours(rig: Rig) -> None:
    others = made(rig.path / "other", rig.tree)
    others.say(ADD.format("a"))

    answer = rig.say(ADD.format("a"))
    theirs = list(others.exported())
    others.plane().withdraw()

    assert "another subsystem of that name" in answer
    assert theirs == [NQN]


async def test_a_device_that_cannot_export_what_it_has_does_not_start(rig: Rig) -> None:
    rig.say(ADD.format("a"))
    again = made(rig.path, rig.tree)
    again.device.disks[:] = rig.device.disks
    again.device.serial = str(uuid4())
    rig.tree.refusals[str(rig.path / "raid10/a.img")] = errno.EROFS

    with pytest.raises(ConsoleError, match="read-only subvolume"):
        async with running_device(again.device):
            pass


def test_the_identity_of_disks_outlives_the_process(tmp_path: Path) -> None:
    store, first, second = Store(tmp_path), Device([]), Device([])
    store.save(first)

    store.load(second)

    assert second.serial == first.serial != Device([]).serial
    assert json.loads((tmp_path / "device.json").read_text())["serial"] == first.serial
