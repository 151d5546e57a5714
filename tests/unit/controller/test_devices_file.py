"""What a devices file may say, and how what is wrong in it is told; which device a volume gets."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from libs.core.paths import DevicePath
from services.controller.sites import Site, Sites, parse_sites
from tests.unit.controller.values import SETTINGS

EMPTY = replace(
    SETTINGS,
    rds_devices_file=Path("/devices.yaml"),
    rds_address="",
    nvme_address="",
    volume_base_paths=(),
)
OWN = """
devices:
  - default: yes
    rds-name: full
    rds-address: 192.0.2.50
    rds_port: 2222
    rds-user: admin
    rds-key-file: /etc/key
    rds-password-file: /etc/password
    rds-host-key-file: /etc/host-key
    rds-check-host-key: false
    rds-max-sessions: 3
    rds-batch-commands: 4
    rds-command-timeout: 5.5
    rds-snmp: 3
    rds-snmp-port: 1161
    rds-snmp-community-file: /etc/community
    rds-snmp-user: reader
    rds-snmp-auth-file: /etc/auth
    rds-snmp-privacy-file: /etc/privacy
    nvme-address: 192.0.2.60
    nvme-port: 4421
    nqn-prefix: nqn.2026-01.example
    volume-base-paths: [/one/volumes, /two/volumes]
    topology: {zone: a, host: x}
    overcommit: 1.5
    fencing-two-hosts: list
    file-copies: false
    copy-attached: true
    copy-rate: 40
"""
FULL = replace(
    EMPTY,
    rds_name="full",
    rds_address="192.0.2.50",
    rds_port=2222,
    rds_user="admin",
    rds_key_file=Path("/etc/key"),
    rds_password_file=Path("/etc/password"),
    rds_host_key_file=Path("/etc/host-key"),
    rds_check_host_key=False,
    rds_max_sessions=3,
    rds_batch_commands=4,
    rds_command_timeout=5.5,
    rds_snmp="3",
    rds_snmp_port=1161,
    rds_snmp_community_file=Path("/etc/community"),
    rds_snmp_user="reader",
    rds_snmp_auth_file=Path("/etc/auth"),
    rds_snmp_privacy_file=Path("/etc/privacy"),
    nvme_address="192.0.2.60",
    nvme_port=4421,
    nqn_prefix="nqn.2026-01.example",
    volume_base_paths=(DevicePath.parse("/one/volumes"), DevicePath.parse("/two/volumes")),
    topology=(("zone", "a"), ("host", "x")),
    overcommit=1.5,
    fencing_two_hosts="list",
    file_copies=False,
    copy_attached=True,
    copy_rate=40,
)
KNOWN = ", ".join(key.replace("_", "-") for key in list(yaml.safe_load(OWN)["devices"][0])[1:])

DEFAULTS = "exactly one device must have default: true; its volumes have bare IDs"

ONE = {"default": True, "rds-name": "one"}
TWO = {"rds-name": "two", "rds-address": "192.0.2.12", "nvme-address": "192.0.2.22"}


def devices(*entries: object) -> str:
    text: str = yaml.safe_dump({"devices": list(entries)}, sort_keys=False)
    return text


def test_every_setting_of_a_device_may_be_its_own() -> None:
    (site,) = parse_sites(OWN, EMPTY)

    assert site == Site(FULL, "")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[]", ["must have a list of devices under the key devices"]),
        ("devices: abc", ["must have a list of devices under the key devices"]),
        ("devices: {a: b}", ["must have a list of devices under the key devices"]),
        (devices(ONE, "a"), ["devices[1] must be a mapping", DEFAULTS]),
        (devices(TWO), [DEFAULTS]),
        (devices(ONE, TWO | {"default": True}), [DEFAULTS]),
        (
            devices(ONE | {"driver-name": "x"}),
            [f"devices[0].driver-name is not known; known are default, {KNOWN}"],
        ),
        (
            devices(ONE | {"rds-port": 0, "overcommit": 0.5}),
            [
                "devices[0].rds-port: port must be a TCP port from 1 to 65535",
                "devices[0].overcommit: must be 0, or a number from 1 to 100",
            ],
        ),
        (devices({"default": True}), ["devices[0].rds-name is required"]),
        (devices(ONE | {"rds-user": None}), ["devices[0].rds-user has no value"]),
        (devices(ONE, TWO | {"rds-name": "one"}), ["every device needs a rds-name of its own"]),
    ],
)
def test_what_is_wrong_with_a_devices_file_is_told_with_its_place(
    text: str, problems: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_sites(text, SETTINGS)

    assert str(caught.value).splitlines() == problems


def test_what_a_device_needs_and_neither_the_file_nor_the_settings_say_is_told() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_sites(devices(ONE | {"nvme-address": "192.0.2.2"}), EMPTY)

    assert str(caught.value).splitlines() == [
        "devices[0]: --rds-address (RDS_CSI_RDS_ADDRESS) is required",
        "devices[0]: --volume-base-paths (RDS_CSI_VOLUME_BASE_PATHS) is required",
    ]


ZONES = Sites(
    [
        Site(replace(SETTINGS, rds_name="one", topology=(("zone", "a"),))),
        Site(
            replace(
                SETTINGS,
                rds_name="two",
                rds_address="192.0.2.12",
                nvme_address="192.0.2.22",
                topology=(("zone", "b"),),
            ),
            "two",
        ),
    ]
)
A, B = {"zone": "a"}, {"zone": "b"}


@pytest.mark.parametrize(
    ("parameters", "requisite", "preferred", "name"),
    [
        ({}, [], [], "one"),
        ({}, [], [B], "two"),
        ({}, [A], [B], "one"),
        ({}, [A, B], [B, A], "two"),
        ({"rdsAddress": "192.0.2.12"}, [], [], "two"),
        ({"rdsAddress": "192.0.2.22"}, [], [], "two"),
    ],
)
def test_a_device_is_chosen_by_what_is_preferred_of_what_is_admitted(
    parameters: dict[str, str],
    requisite: list[dict[str, str]],
    preferred: list[dict[str, str]],
    name: str,
) -> None:
    assert ZONES.choose(parameters, requisite, preferred).name == name


def test_one_device_that_is_not_reached_from_everywhere_is_enough_for_a_topology() -> None:
    anywhere, near = Site(SETTINGS), Site(replace(SETTINGS, topology=(("zone", "a"),)), "near")

    assert Sites([anywhere, near]).have_topology is True
    assert Sites([anywhere]).have_topology is False
