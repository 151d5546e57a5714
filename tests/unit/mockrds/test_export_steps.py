"""What is wanted for an export, and the steps to it, one after the other."""

from dataclasses import replace

import pytest

from libs.core.secret import Secret
from libs.mockrds.dhchap import secret_of
from libs.mockrds.exports import (
    AdmitAll,
    Disable,
    Dismiss,
    Enable,
    Export,
    Host,
    Link,
    Make,
    Place,
    Portal,
    Remove,
    Step,
    Subsystem,
    Unlink,
    plan_steps,
    wanted_subsystem,
)

A, B = Host("nqn.a"), Host("nqn.b")
FIRST, SECOND = Portal("127.0.0.1", 4420), Portal("127.0.0.1", 4421)
DISK = Subsystem(
    *("d", "/d", "uuid", 8),
    enabled=True,
    hosts=frozenset({A}),
    portals=frozenset({FIRST}),
)
NOBODY: frozenset[Host] = frozenset()


def test_what_is_not_said_of_a_subsystem_a_host_and_an_export_is_nothing() -> None:
    export = Export("nqn", "f", 8, "uuid", 4420)

    assert Subsystem("nqn") == Subsystem("nqn", "", "", 0, False, False, frozenset(), frozenset())  # noqa: FBT003
    assert Host("nqn") == Host("nqn", "")
    assert (export.hosts, export.password.reveal()) == ((), "")


def test_the_key_of_a_host_is_not_printed() -> None:
    assert repr(Host("nqn", "DHHC-1:key")) == "Host(nqn='nqn')"


def test_an_export_is_wanted_as_a_whole_subsystem() -> None:
    export = Export("nqn", "f", 8, "uuid", 4420, ("nqn.a",), Secret("password"))
    to_all = replace(export, hosts=())

    wanted = wanted_subsystem(export, "/f", "127.0.0.1", has_keys=True)
    wanted_by_all = wanted_subsystem(to_all, "/f", "127.0.0.1", has_keys=True)

    assert wanted == Subsystem(
        nqn="nqn",
        path="/f",
        uuid="uuid",
        size=8,
        enabled=True,
        any_host=False,
        hosts=frozenset({Host("nqn.a", secret_of("password"))}),
        portals=frozenset({FIRST}),
    )
    assert wanted_by_all == replace(wanted, any_host=True, hosts=frozenset())


@pytest.mark.parametrize(
    ("now", "wanted", "steps"),
    [
        (
            replace(DISK, hosts=frozenset({A, B}), portals=frozenset({FIRST, SECOND})),
            None,
            (
                *(Unlink("d", FIRST), Unlink("d", SECOND), Disable("d")),
                *(Dismiss("d", A), Dismiss("d", B), Remove("d")),
            ),
        ),
        (
            replace(DISK, enabled=False, any_host=True, hosts=NOBODY),
            None,
            (Unlink("d", FIRST), AdmitAll("d", on=False), Remove("d")),
        ),
        (
            None,
            replace(DISK, any_host=True, hosts=NOBODY),
            (
                *(Make("d"), Place("d", "/d", "uuid"), AdmitAll("d", on=True)),
                *(Enable("d", 8), Link("d", FIRST)),
            ),
        ),
        (
            DISK,
            replace(DISK, path="/e", size=16),
            (
                *(Unlink("d", FIRST), Disable("d"), Place("d", "/e", "uuid")),
                *(Enable("d", 16), Link("d", FIRST)),
            ),
        ),
        (DISK, replace(DISK, enabled=False, size=0), (Disable("d"),)),
        (replace(DISK, enabled=False), replace(DISK, enabled=False, size=16), ()),
    ],
)
def test_a_subsystem_is_made_changed_and_removed_step_by_step(
    now: Subsystem | None, wanted: Subsystem | None, steps: tuple[Step, ...]
) -> None:
    before = {"d": now} if now else {}
    after = {"d": wanted} if wanted else {}

    assert plan_steps(before, after, cut=False) == steps
