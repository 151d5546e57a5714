from demo.commands import count, shorten
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.rdsclient import commands, images
from libs.rdsclient.model import DiskSpec
from tests.strategies.device import LATEST

SLOT = Slot.parse("pvc-1")
PATH = DevicePath.parse("/raid10/volumes/pvc-1.img")


def test_a_creation_is_shown_by_what_it_changes_and_reads() -> None:
    spec = DiskSpec(SLOT, PATH, 4096, Nqn.parse("nqn.2000-02.com.mikrotik:pvc-1"), 4420)

    assert shorten([images.create_disk(LATEST, spec).line]) == (
        'if so: /disk/add type=file file-size=4096 slot="pvc-1" nvme-tcp-export=yes; read all of it'
    )


def test_a_deletion_is_shown_without_its_searches() -> None:
    assert shorten([images.remove_disk(LATEST, SLOT, PATH, None, copied=False).line]) == (
        "if so: /disk/set … nvme-tcp-export=no; /disk/remove …; if so: /file/remove …; "
        "read all of it"
    )


def test_asking_whether_the_device_lives_is_not_counted() -> None:
    lines = [commands.check_alive().line, commands.read_pool(LATEST, "raid10").line]

    assert count(lines) == 1
    assert shorten(lines) == "read /disk"
