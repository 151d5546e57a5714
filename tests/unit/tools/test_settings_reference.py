"""The reference of settings that is made from the code."""

from tools.settings_reference import render


def test_every_service_has_its_settings_there() -> None:
    page = render()

    for flag in ("--rds-address", "--managed-nqn-prefixes", "--controller-endpoint", "--log-level"):
        assert page.count(f"`{flag}`<br>") == 1
