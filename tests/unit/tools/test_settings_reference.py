"""The reference of settings that is made from the code."""

import dataclasses

from services.controller.config import ControllerSettings
from services.reconciler.config import ReconcilerSettings
from tools.settings_reference import render


def test_every_service_has_its_settings_there() -> None:
    page = render()

    for flag in ("--rds-address", "--managed-nqn-prefixes", "--controller-endpoint", "--log-level"):
        assert page.count(f"`{flag}`<br>") == 1


def test_the_settings_of_the_admin_api_are_the_same_in_both_services_that_serve_one() -> None:
    # They stand in both: no library may know of settings and of TLS at once.
    controller, reconciler = (
        {
            field.name: (field.type, field.default, dict(field.metadata))
            for field in dataclasses.fields(kind)
            if field.name.startswith("admin_")
        }
        for kind in (ControllerSettings, ReconcilerSettings)
    )

    assert len(controller) == 6
    assert controller == reconciler
