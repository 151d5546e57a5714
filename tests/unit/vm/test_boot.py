"""What a machine boots from and shows, without one."""

import io
import lzma
import stat
from pathlib import Path

import pytest

from tests.vm.guest import Face, Identity, command_script, second_stage
from tests.vm.initrd import Cpio
from tests.vm.kernel import Kernel, age_of, unpack_image
from tests.vm.runner import Lines


def entries(archive: bytes) -> dict[str, tuple[int, int, bytes]]:
    """Read an archive: mode, time and content of each name."""
    found: dict[str, tuple[int, int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        numbers = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, modified, size, length = numbers[1], numbers[5], numbers[6], numbers[11]
        name = archive[at + 110 : at + 110 + length - 1].decode()
        start = at + (110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, modified, archive[start : start + size])
        at = start + (size + 3) // 4 * 4


@pytest.mark.parametrize("size", range(5))
def test_an_archive_has_what_was_put_in(size: int) -> None:
    archive = Cpio()
    archive.add("bin", stat.S_IFDIR | 0o755)
    archive.add("bin/tool", stat.S_IFREG | 0o700, b"x" * size, modified=1_700_000_000)

    packed = archive.closed()

    assert entries(packed) == {
        "bin": (stat.S_IFDIR | 0o755, 0, b""),
        "bin/tool": (stat.S_IFREG | 0o700, 1_700_000_000, b"x" * size),
    }
    assert len(packed) % 512 == 0


def test_a_kernel_is_found_in_the_image_that_unpacks_itself() -> None:
    image = b"MZ stub" + lzma.compress(b"\x7fELF kernel") + b"what follows"

    assert unpack_image(image) == b"\x7fELF kernel"


def test_an_image_that_is_packed_otherwise_gives_nothing() -> None:
    assert unpack_image(b"MZ stub and gzip") == b""


def test_releases_are_compared_by_their_numbers() -> None:
    releases = ["6.2.1-1-amd64", "6.12.95+deb12-amd64", "6.1.0-56-amd64", "6.12.9+deb12-amd64"]

    assert sorted(releases, key=age_of)[::-1] == [
        releases[1],
        releases[3],
        releases[0],
        releases[2],
    ]


def test_a_machine_has_its_addresses_and_the_modules_of_a_kernel_that_is_not_installed() -> None:
    identity = Identity("vm-x", "11111111-1111-4111-8111-111111111111", ("10.77.0.2", "10.78.0.2"))

    lines = identity.script(Kernel("6.12.95", Path("/a dir/k"))).splitlines()

    assert "hostname vm-x" in lines
    assert "ip addr add 10.78.0.2/24 dev eth1" in lines
    assert "mount --bind '/a dir/k/lib/modules/6.12.95' /lib/modules/6.12.95" in lines


def test_the_installed_kernel_has_its_modules_where_they_are() -> None:
    assert "mount" not in Identity().script(Kernel("6.1.0"))


@pytest.mark.parametrize("face", list(Face))
def test_the_status_of_the_command_is_told_whatever_its_face(face: Face) -> None:
    lines = second_stage(Path("/tmp/a dir"), face).splitlines()  # noqa: S108 (a name alone)

    at = next(i for i, line in enumerate(lines) if "command.sh" in line)
    assert lines[at + 1] == "code=$?"
    assert "echo $code >$ret" in lines


def test_a_command_keeps_its_words_and_its_environment() -> None:
    script = command_script(["echo", "a b", "$c"], Path("/x y"), {"HOME": "/root me"})

    assert script.splitlines() == ["export HOME='/root me'", "cd '/x y'", "exec echo 'a b' '$c'"]


def test_lines_are_shown_whole_with_their_prefix_however_they_come() -> None:
    out = io.StringIO()
    lines = Lines("one | ", out)

    for chunk in (b"fir", b"st\nsec", b"ond\r\n", b"rest"):
        lines(chunk)
    before = out.getvalue()
    lines.close()

    assert before == "one | first\none | second\n"
    assert out.getvalue() == "one | first\none | second\none | rest\n"
