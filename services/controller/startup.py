"""What the settings name: the devices and the files, checked before anything is started."""

from libs.ops.running import unreadable
from libs.ops.settings import SettingsError
from libs.rdsclient.batch import BatchLimits
from libs.rdsclient.config import RdsConfig
from libs.rdshealth.config import SnmpConfig
from services.controller.config import ControllerSettings
from services.controller.sites import Site, Sites, parse_sites


def load_sites(settings: ControllerSettings) -> Sites:
    """Return the devices that the settings name.

    Raises:
        SettingsError: the devices file cannot be read, or something in it is wrong.
    """
    path = settings.rds_devices_file
    if path is None:
        return Sites([Site(settings)])
    try:
        return parse_sites(path.read_text(), settings)
    except (OSError, ValueError) as error:
        lines = str(error).splitlines()
        raise SettingsError([f"--rds-devices-file: {path}: {line}" for line in lines]) from None


def rds_config(settings: ControllerSettings) -> RdsConfig:
    """Return how to reach the device."""
    return RdsConfig(
        host=settings.rds_address,
        port=settings.rds_port,
        user=settings.rds_user,
        host_key_file=settings.rds_host_key_file,
        check_host_key=settings.rds_check_host_key,
        key_file=settings.rds_key_file,
        password_file=settings.rds_password_file,
        max_sessions=settings.rds_max_sessions,
        command_timeout=settings.rds_command_timeout,
        batch=BatchLimits(commands=settings.rds_batch_commands),
    )


def snmp_config(settings: ControllerSettings) -> SnmpConfig | None:
    """Return how to ask the device over SNMP; None where it is not asked."""
    if settings.rds_snmp == "off":
        return None
    return SnmpConfig(
        host=settings.rds_address,
        port=settings.rds_snmp_port,
        version="3" if settings.rds_snmp == "3" else "2c",
        community_file=settings.rds_snmp_community_file,
        user=settings.rds_snmp_user,
        auth_password_file=settings.rds_snmp_auth_file,
        privacy_password_file=settings.rds_snmp_privacy_file,
    )


def check_files(settings: ControllerSettings) -> None:
    """Check that the files that the settings name, for each device, can be read.

    Raises:
        SettingsError: with every one that cannot.
    """
    problems: dict[str, None] = {}
    for site in load_sites(settings):
        own = site.settings
        files = {
            "--admin-tls-cert": own.admin_tls_cert,
            "--admin-tls-key": own.admin_tls_key,
            "--admin-tls-ca": own.admin_tls_ca,
            "--rds-host-key-file": own.rds_host_key_file,
            "--rds-key-file": own.rds_key_file,
            "--rds-password-file": own.rds_password_file,
            "--rds-snmp-community-file": own.rds_snmp_community_file,
            "--rds-snmp-auth-file": own.rds_snmp_auth_file,
            "--rds-snmp-privacy-file": own.rds_snmp_privacy_file,
        }
        problems |= dict.fromkeys(unreadable(files))
    if problems:
        raise SettingsError(list(problems))
