"""The command line of the simulator."""

from pathlib import Path

import pytest

from libs.core.errors import Unsupported
from libs.mockrds.configtree import kernel_tree
from libs.mockrds.options import parse_options

BASE = ("--password=secret", "--listen=127.0.0.2:2222")


@pytest.mark.parametrize(
    ("flags", "environ", "address"),
    [
        ((), {}, ""),
        (("--disk-files=/d",), {}, ""),
        (("--disk-files=/d", "--nvme-target"), {}, "127.0.0.2"),
        (("--disk-files=/d", "--nvme-target=10.0.0.1"), {}, "10.0.0.1"),
        (("--disk-files=/d", "--nvme-target", "fd00::1"), {}, "fd00::1"),
        ((), {"RDS_MOCK_NVME_TARGET": "10.0.0.1", "RDS_MOCK_DISK_FILES": "/d"}, "10.0.0.1"),
    ],
)
def test_disks_are_exported_where_it_is_asked_for(
    flags: tuple[str, ...], environ: dict[str, str], address: str
) -> None:
    options = parse_options([*BASE, *flags], environ)

    assert (options.nvme_target, options.nvme_fencing) == (address, "keep")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--nvme-target",), "--nvme-target needs --disk-files"),
        (("--nvme-target=host", "--disk-files=/d"), "needs an IP address, not 'host'"),
        (("--nvme-fencing=perhaps",), "invalid choice"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    flags: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_options([*BASE, *flags], {})

    assert complaint in capsys.readouterr().err


def test_a_kernel_without_the_target_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="modprobe nvmet-tcp"):
        kernel_tree(tmp_path / "nvmet")
