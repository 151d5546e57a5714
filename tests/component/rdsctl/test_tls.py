from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.csikit.tls import TlsFiles
from tests.component.rdsctl.rig import Rig, serve
from tests.fakes.certificates import Authority

NAME = "api"  # the common name in the certificates that the authority makes


def certified(folder: Path, authority: Authority, address: str = "127.0.0.1") -> TlsFiles:
    """Return a certificate with its key, for one side."""
    authority.server(address)
    made = authority.file.with_name("server.pem").rename(folder / f"{len(list(folder.iterdir()))}")
    return TlsFiles(made, made, authority.file)


@dataclass
class Secured:
    rig: Rig
    authority: Authority
    ours: TlsFiles

    def flags(self, files: TlsFiles | None = None) -> list[str]:
        files = files or self.ours
        return [
            f"--tls-cert={files.certificate}",
            f"--tls-key={files.key}",
            f"--tls-ca={files.authority}",
        ]


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    authority = Authority(tmp_path)
    theirs, ours = certified(tmp_path, authority), certified(tmp_path, authority)
    async with serve(tmp_path, tls=theirs) as rig:
        yield Secured(rig, authority, ours)


async def test_a_certificate_opens_the_door(secured: Secured) -> None:
    ended = await secured.rig.rdsctl("status", *secured.flags())

    assert (ended.code, ended.lines[0]) == (0, "The reconciler does its work.")


async def test_without_a_certificate_nobody_gets_in_and_the_flags_are_named(
    secured: Secured,
) -> None:
    ended = await secured.rig.rdsctl("status")

    assert ended.code == 3
    assert "--tls-cert, --tls-key and --tls-ca" in ended.err


async def test_a_change_without_a_certificate_was_certainly_not_made(secured: Secured) -> None:
    ended = await secured.rig.rdsctl("pause", "--reason", "work", "--yes")

    assert ended.code == 3


async def test_a_server_of_another_authority_is_not_trusted(
    secured: Secured, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = Authority(elsewhere)
    flags = [*secured.flags()[:2], f"--tls-ca={stranger.file}"]

    ended = await secured.rig.rdsctl("status", *flags)

    assert ended.code == 3
    assert "its certificate is not accepted" in ended.err
    assert "--server-name" in ended.err


async def test_a_client_of_another_authority_does_not_get_in(
    secured: Secured, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    strange = certified(elsewhere, Authority(elsewhere))
    files = TlsFiles(strange.certificate, strange.key, secured.authority.file)

    ended = await secured.rig.rdsctl("status", *secured.flags(files))

    assert ended.code == 3
    assert str(strange.certificate) in ended.err


async def test_the_name_in_the_certificate_has_to_be_the_one_that_is_expected(
    secured: Secured,
) -> None:
    ended = await secured.rig.rdsctl("status", *secured.flags(), "--server-name", "other.example")

    assert ended.code == 3
    assert "other.example" in ended.err


async def test_a_certificate_that_may_not_call_is_not_permitted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    theirs, ours = certified(tmp_path, authority), certified(tmp_path, authority)

    async with serve(tmp_path, tls=theirs, allowed=["somebody-else"]) as rig:
        ended = await Secured(rig, authority, ours).rig.rdsctl(
            "status", *Secured(rig, authority, ours).flags()
        )

    assert ended.code == 4
    assert f"the certificate is of {NAME}, who may not call" in ended.err
    assert str(ours.certificate) in ended.err


async def test_certificate_files_that_are_not_there_are_wrong_settings(secured: Secured) -> None:
    flags = [*secured.flags()[:2], "--tls-ca=/nowhere/ca.crt"]

    ended = await secured.rig.rdsctl("status", *flags)

    assert ended.code == 2
    assert "/nowhere/ca.crt" in ended.err


async def test_a_context_of_the_configuration_file_says_everything(
    secured: Secured, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / ".config" / "rdsctl"
    folder.mkdir(parents=True)
    (folder / "ca.crt").symlink_to(secured.ours.authority)
    (folder / "config.toml").write_text(
        f"""
        current-context = "test"
        [contexts.test]
        endpoint = "{secured.rig.address.removeprefix("tcp://")}"
        tls-cert = "{secured.ours.certificate}"
        tls-key = "{secured.ours.key}"
        tls-ca = "ca.crt"
        timeout = 5
        """
    )

    environ = {"RDSCTL_ENDPOINT": "", "HOME": str(tmp_path / "home")}
    ended = await secured.rig.rdsctl("status", environ=environ)

    assert ended.code == 0
