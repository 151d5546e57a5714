import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.ops.settings import Program, SettingsError, describe, flag, load, render_default
from services.controller.config import ControllerSettings
from services.node.config import NodeSettings
from services.reconciler.config import ReconcilerSettings

PROGRAM = Program("rds-csi-controller", "About.", "1.2.3")
ENOUGH = [
    "--rds-address=192.0.2.1",
    "--rds-key-file=/key",
    "--rds-host-key-file=/host-key",
    "--nvme-address=storage.example",
    "--volume-base-paths=/raid10/volumes,/ssd/volumes/",
]


def read(argv: Sequence[str], environ: dict[str, str] | None = None) -> ControllerSettings:
    return load(ControllerSettings, argv, environ or {}, PROGRAM)[0]


def problems(argv: Sequence[str], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        read(argv, environ)
    return caught.value.message


def test_what_is_needed_is_enough_and_the_rest_has_defaults() -> None:
    settings = read(ENOUGH)

    assert [str(path) for path in settings.volume_base_paths] == ["/raid10/volumes", "/ssd/volumes"]
    assert settings.rds_port == 22
    assert settings.driver_name == "rds.csi.srvlab.io"
    assert settings.rds_check_host_key is True
    assert settings.attachments == "cluster"


def test_the_environment_is_read_and_a_flag_wins_over_it() -> None:
    environ = {"RDS_CSI_RDS_PORT": "2222", "RDS_CSI_NVME_PORT": "4421"}

    settings = read([*ENOUGH, "--rds-port=2022"], environ)

    assert (settings.rds_port, settings.nvme_port) == (2022, 4421)


def test_everything_that_is_wrong_is_said_at_once_with_flag_variable_and_rule() -> None:
    text = problems(
        ["--rds-port=0", "--volume-base-paths=/a/../b", "--log-level=loud"],
        {"RDS_CSI_DRAIN_SECONDS": "soon"},
    )

    for part in (
        "--rds-address (RDS_CSI_RDS_ADDRESS) is required",
        "--nvme-address (RDS_CSI_NVME_ADDRESS) is required",
        "--rds-port (RDS_CSI_RDS_PORT): port must be a TCP port from 1 to 65535",
        "--volume-base-paths (RDS_CSI_VOLUME_BASE_PATHS): each path must",
        "--log-level (RDS_CSI_LOG_LEVEL): must be one of debug, info, warning, error",
        "--drain-seconds (RDS_CSI_DRAIN_SECONDS): must be a number of seconds from 0 to 600",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("flag", "rule"),
    [
        ("--rds-address=a;b", "must be a host name or an IP address"),
        ("--nqn-prefix=iqn.1", "must be of the form nqn.yyyy-mm"),
        ("--rds-max-sessions=0", "must be a whole number from 1 to 64"),
        ("--rds-max-sessions=٣", "must be a whole number from 1 to 64"),
        ("--default-volume-bytes=1G", "must be a whole number"),
        ("--rds-command-timeout=nan", "must be a number of seconds"),
        ("--rds-check-host-key=perhaps", "must be true or false"),
        ("--driver-name=a_b", "must be at most 63 letters"),
        ("--attachments=guess", "must be one of cluster, memory"),
    ],
)
def test_a_wrong_value_is_refused_with_its_rule(flag: str, rule: str) -> None:
    assert rule in problems([*ENOUGH, flag])


def test_host_keys_are_checked_unless_that_is_switched_off_by_name() -> None:
    without = [flag for flag in ENOUGH if not flag.startswith("--rds-host-key-file")]

    assert "--rds-host-key-file is required while host keys are checked" in problems(without)
    assert read([*without, "--rds-check-host-key=false"]).rds_check_host_key is False


def test_there_must_be_a_way_to_log_in() -> None:
    without = [flag for flag in ENOUGH if not flag.startswith("--rds-key-file")]

    assert "--rds-key-file or --rds-password-file is required" in problems(without)


def test_checking_only_prints_the_settings_in_force() -> None:
    settings, only_check = load(ControllerSettings, [*ENOUGH, "--check-config"], {}, PROGRAM)

    assert only_check
    assert "--volume-base-paths=/raid10/volumes,/ssd/volumes" in describe(settings).splitlines()
    assert settings.rds_key_file == Path("/key")


@pytest.mark.parametrize("kind", [ControllerSettings, NodeSettings, ReconcilerSettings])
def test_what_is_shown_as_a_default_can_be_given_and_means_the_same(kind: type) -> None:
    for field in dataclasses.fields(kind):
        shown = render_default(field.default)
        if field.default is dataclasses.MISSING or shown == "none":
            continue

        assert field.metadata["parse"](shown) == field.default, flag(field.name)
