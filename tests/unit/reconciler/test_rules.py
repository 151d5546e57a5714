"""What decides where nothing is set: the documented defaults."""

from pathlib import Path

from services.reconciler.config import ReconcilerSettings
from services.reconciler.rules import InUse, Rules


def test_rules_of_which_nothing_is_said_are_those_of_settings_of_which_nothing_is_said() -> None:
    settings = ReconcilerSettings(controller_endpoint=Path("/run/x"))

    assert Rules(driver="rds.csi.srvlab.io") == settings.rules


def test_nothing_is_taken_or_removed_in_a_hurry_unless_somebody_says_so() -> None:
    assert Rules(driver="d") == Rules(
        driver="d",
        max_age=120.0,
        max_device_age=120.0,
        node_gone=30.0,
        out_of_service=0.0,
        not_ready=60.0,
        in_use=InUse.NEVER,
        force_detach=360.0,
        unused=900.0,
        stuck=30.0,
        half_state=120.0,
        fencing=30.0,
        migration=300.0,
        max_lost_percent=50,
        orphan=86_400.0,
        orphans_dry_run=True,
        max_orphans=10,
        max_orphans_percent=10,
        max_orphans_hourly=30,
    )


def test_what_is_done_about_volumes_in_use_is_set_by_one_of_three_words() -> None:
    assert [one.value for one in InUse] == ["never", "fenced", "always"]
