from pathlib import Path

import pytest

from libs.csikit.endpoint import TcpAddress
from libs.ops.settings import SettingsError, describe, load
from services.controller.app import PROGRAM
from services.controller.config import ControllerSettings

DEVICE = {
    "RDS_CSI_RDS_ADDRESS": "192.0.2.1",
    "RDS_CSI_NVME_ADDRESS": "192.0.2.2",
    "RDS_CSI_VOLUME_BASE_PATHS": "/raid10/volumes",
    "RDS_CSI_RDS_KEY_FILE": "/key",
    "RDS_CSI_RDS_HOST_KEY_FILE": "/host-key",
}
TLS = {
    "RDS_CSI_ADMIN_TLS_CERT": "/tls/tls.crt",
    "RDS_CSI_ADMIN_TLS_KEY": "/tls/tls.key",
    "RDS_CSI_ADMIN_TLS_CA": "/tls/ca.crt",
}
EVERYWHERE = ["--admin-endpoint=tcp://:9810"]


def settings_of(*flags: str, **changes: str) -> ControllerSettings:
    settings, _ = load(ControllerSettings, flags, {**DEVICE, **changes}, PROGRAM)
    return settings


def test_no_admin_api_is_served_by_default() -> None:
    assert settings_of().admin.address is None


def test_the_admin_api_is_served_with_certificates_to_those_who_are_named() -> None:
    settings = settings_of(*EVERYWHERE, "--admin-allowed-clients=reconciler,sre", **TLS)

    assert settings.admin.address == TcpAddress("", 9810)
    assert settings.admin.tls is not None
    assert settings.admin.tls.authority == Path("/tls/ca.crt")
    assert settings.admin.allowed == ("reconciler", "sre")
    assert "--admin-endpoint=tcp://:9810" in describe(settings)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (EVERYWHERE, "--admin-tls-cert, --admin-tls-key and --admin-tls-ca are required"),
        (["--admin-endpoint=nowhere"], "--admin-endpoint (RDS_CSI_ADMIN_ENDPOINT): it must be"),
        (["--admin-endpoint=tcp://h"], "it must be tcp://HOST:PORT"),
        ([*EVERYWHERE, "--admin-tls-cert=/c"], "are required together"),
    ],
)
def test_an_admin_api_that_would_be_open_is_a_wrong_setting(flags: list[str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(*flags)

    assert any(words in problem for problem in caught.value.problems)
