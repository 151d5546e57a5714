from dataclasses import replace

import pytest

from libs.core.paths import DevicePath
from libs.rdsclient.errors import GarbledReply
from libs.rdsclient.images import list_storage
from libs.rdsclient.model import BackingFile, Features, FileDisk, Pool, Release, Subvolume
from libs.rdsclient.replies import parse_storage

NEW = Features.of(Release(7, 24))
OLD = replace(Features.of(Release(7, 17)), json=False)
BASES = (DevicePath.parse("/raid10/v.1"), DevicePath.parse("/btr/volumes"))
DISK = (
    '{"type":"file","slot":"theirs","file-path":"raid10/other.img","size":4096,'
    '"nvme-tcp-export":false}'
)
FILES = (
    '{"name":"raid10/v.1/deeper","type":"directory","size":0},'
    '{"name":"raid10/v.1/a.img","type":"file","size":4096}'
)
POOL = '{"mount-point":"raid10","size":100,"free":50,"type":"raid"}'
BRANCH = '{"fs":"btr","fullname":"volumes/x","parent":"","name":"x"}'


def test_one_line_asks_for_everything_below_the_directories() -> None:
    command = list_storage(NEW, BASES)

    assert (command.changes, command.listings, command.line.count(":put")) == (False, 4, 4)
    assert "where type=file]" in command.line
    assert r'name~"^(raid10/v\[.\]1|btr/volumes)/"' in command.line


def test_a_release_without_subvolumes_is_not_asked_for_any() -> None:
    command = list_storage(OLD, BASES)

    assert command.listings == 3
    assert "subvolume" not in command.line


def test_what_is_there_is_read_and_directories_are_left_out() -> None:
    text = f"[{DISK}]\n[{FILES}]\n[{POOL}]\n[{BRANCH}]"

    storage = parse_storage(text, list_storage(NEW, BASES))

    assert storage.disks == (FileDisk("theirs", "/raid10/other.img", 4096),)
    assert storage.files == (BackingFile("/raid10/v.1/a.img", 4096),)
    assert storage.pools == (Pool("raid10", 100, 50),)
    assert storage.subvolumes == (Subvolume("btr", "volumes/x"),)


@pytest.mark.parametrize(
    "text",
    [
        f"[{DISK}]\n[{FILES}]\n[{POOL}]\n",
        f"[{DISK}]\n[{FILES}]\n[{POOL}]\n[{BRANCH}",
        f"[{DISK}]\n[{{}}]\n[{POOL}]\n[{BRANCH}]",
    ],
)
def test_a_listing_with_a_gap_is_none(text: str) -> None:
    with pytest.raises(GarbledReply):
        parse_storage(text, list_storage(NEW, BASES))
