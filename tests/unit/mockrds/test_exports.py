"""The steps that bring a target to what is wanted."""

import base64
import contextlib
import zlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.secret import Secret
from libs.mockrds.dhchap import secret_of
from libs.mockrds.exports import (
    Export,
    Host,
    Link,
    Portal,
    Revalidate,
    Step,
    Subsystem,
    Unlink,
    contested_host,
    hosts_of,
    plan_steps,
    wanted_subsystem,
)
from libs.mockrds.nvmet import Configfs
from tests.fakes.configfs import FakeConfigfs, KilledError

MARK = "simulated"
A, B = Host("nqn.a"), Host("nqn.b")
PORTAL = Portal("127.0.0.1", 4420)
DISK = Subsystem(
    "nqn.disk",
    path="/d",
    uuid="uuid",
    size=8,
    enabled=True,
    hosts=frozenset({A}),
    portals=frozenset({PORTAL}),
)


@st.composite
def subsystems(draw: st.DrawFn, nqn: str, keys: Mapping[str, str]) -> Subsystem:
    any_host = draw(st.booleans())
    hosts = draw(st.sets(st.sampled_from(sorted(keys)))) if not any_host else ()
    enabled = draw(st.booleans())
    ports = draw(st.sets(st.sampled_from([4420, 4421])))
    return Subsystem(
        nqn,
        path=draw(st.sampled_from(["/a", "/b"])),
        uuid=draw(st.sampled_from(["1", "2"])),
        size=draw(st.sampled_from([8, 16])) if enabled else 0,
        enabled=enabled,
        any_host=any_host,
        hosts=frozenset(Host(host, keys[host]) for host in hosts),
        portals=frozenset(Portal("127.0.0.1", port) for port in ports),
    )


@st.composite
def states(draw: st.DrawFn) -> dict[str, Subsystem]:
    keys = {host: draw(st.sampled_from(["", "k1", "k2"])) for host in ("nqn.a", "nqn.b")}
    nqns = draw(st.sets(st.sampled_from(["nqn.1", "nqn.2", "nqn.3"])))
    return {nqn: draw(subsystems(nqn, keys)) for nqn in sorted(nqns)}


def brought(
    tree: FakeConfigfs, wanted: Mapping[str, Subsystem], *, cut: bool = False
) -> list[Step]:
    """Bring a target from what it is to what is wanted, and return the steps."""
    target = Configfs(tree, MARK)
    steps = list(plan_steps(target.read(), wanted, cut=cut))
    for step in steps:
        target.do(step)
    target.tidy()
    return steps


def sizeless(state: Mapping[str, Subsystem]) -> dict[str, Subsystem]:
    """Leave out what nobody can read in the kernel."""
    return {nqn: replace(subsystem, size=0) for nqn, subsystem in state.items()}


@given(first=states(), second=states(), cut=st.booleans())
def test_a_target_is_brought_from_any_state_to_any_other(
    first: dict[str, Subsystem], second: dict[str, Subsystem], *, cut: bool
) -> None:
    tree = FakeConfigfs()
    brought(tree, first)

    brought(tree, second, cut=cut)

    assert Configfs(tree, MARK).read() == sizeless(second)


@given(state=states(), cut=st.booleans())
def test_nothing_is_done_where_nothing_is_to_be_changed(
    state: dict[str, Subsystem], *, cut: bool
) -> None:
    assert plan_steps(state, state, cut=cut) == ()


@given(states(), states(), st.integers(0, 40))
def test_whoever_is_killed_at_any_step_is_followed_by_one_who_gets_there(
    first: dict[str, Subsystem], second: dict[str, Subsystem], limit: int
) -> None:
    tree = FakeConfigfs()
    brought(tree, first)
    tree.limit = len(tree.writes) + limit
    with contextlib.suppress(KilledError):
        brought(tree, second)
    tree.limit = 1_000_000

    brought(tree, second)

    assert Configfs(tree, MARK).read() == sizeless(second)


@given(states())
def test_what_is_wanted_no_longer_leaves_nothing_behind(state: dict[str, Subsystem]) -> None:
    tree = FakeConfigfs()
    brought(tree, state)

    brought(tree, {})

    assert tree == FakeConfigfs(writes=tree.writes)


@given(states(), states())
def test_nothing_is_offered_before_it_is_whole_or_changed_while_its_disk_is_reachable(
    first: dict[str, Subsystem], second: dict[str, Subsystem]
) -> None:
    steps = plan_steps(first, second, cut=False)

    order = [isinstance(step, Link) - isinstance(step, Unlink) for step in steps]
    assert order == sorted(order)


def test_somebody_elses_subsystems_are_not_seen_and_not_taken() -> None:
    tree = FakeConfigfs()
    other = Configfs(tree, "another")
    for step in plan_steps({}, {DISK.nqn: DISK}, cut=False):
        other.do(step)

    with pytest.raises(FileExistsError):
        brought(tree, {DISK.nqn: DISK})

    assert Configfs(tree, MARK).read() == {}
    assert other.read() == sizeless({DISK.nqn: DISK})


def test_a_port_is_shared_and_stays_as_long_as_somebody_uses_it() -> None:
    tree = FakeConfigfs()
    second = replace(DISK, nqn="nqn.second")
    brought(tree, {DISK.nqn: DISK, second.nqn: second})

    brought(tree, {second.nqn: second})

    assert tree.names("ports") == ["4420"]
    assert Configfs(tree, MARK).read() == sizeless({second.nqn: second})


@pytest.mark.parametrize(
    ("left", "cut", "steps"),
    [
        ({B}, False, []),
        ({B}, True, [Unlink, Link]),
        ({A, B}, True, []),
        ({A, B}, False, []),
    ],
)
def test_connections_are_cut_only_where_a_host_is_shut_out_and_it_is_asked_for(
    left: set[Host], *, cut: bool, steps: list[type]
) -> None:
    wanted = replace(DISK, hosts=frozenset(left))

    planned = plan_steps({DISK.nqn: DISK}, {DISK.nqn: wanted}, cut=cut)

    assert [type(step) for step in planned if isinstance(step, Link | Unlink)] == steps


def test_everybody_but_one_is_cut_off_where_a_list_is_begun() -> None:
    before = replace(DISK, any_host=True, hosts=frozenset())

    planned = plan_steps({DISK.nqn: before}, {DISK.nqn: DISK}, cut=True)

    assert isinstance(planned[0], Unlink)
    assert isinstance(planned[-1], Link)


def test_a_disk_that_grew_is_looked_at_again_and_nothing_else() -> None:
    grown = replace(DISK, size=16)

    assert plan_steps({DISK.nqn: DISK}, {DISK.nqn: grown}, cut=True) == (Revalidate(DISK.nqn, 16),)


def test_a_host_with_two_keys_is_found() -> None:
    others = {
        nqn: replace(DISK, nqn=nqn, hosts=frozenset({Host("nqn.a", key)}))
        for nqn, key in (("one", "k1"), ("two", "k2"))
    }

    assert contested_host(others) == "nqn.a"
    assert contested_host({"one": others["one"]}) == ""


@pytest.mark.parametrize(
    ("text", "hosts"),
    [("", ()), ("nqn.a", ("nqn.a",)), ("nqn.a,nqn.b", ("nqn.a", "nqn.b")), (" a, a ", ("a",))],
)
def test_the_allow_list_is_a_list_of_nqns(text: str, hosts: tuple[str, ...]) -> None:
    assert hosts_of(text) == hosts


def test_a_password_becomes_a_secret_that_the_kernel_takes_and_a_secret_stays() -> None:
    secret = secret_of("correct horse")

    form, hash_name, encoded, end = secret.split(":")
    raw = base64.b64decode(encoded)
    assert (form, hash_name, end, len(raw)) == ("DHHC-1", "00", "", 36)
    assert zlib.crc32(raw[:32]).to_bytes(4, "little") == raw[32:]
    assert secret_of(secret) == secret != secret_of("another")


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_key_is_asked_for_only_where_the_kernel_can(*, has_keys: bool) -> None:
    export = Export("nqn", "f", 8, "uuid", 4420, ("nqn.a",), Secret("password"))

    wanted = wanted_subsystem(export, "/f", "127.0.0.1", has_keys=has_keys)

    assert [bool(host.key) for host in wanted.hosts] == [has_keys]
    assert Configfs(FakeConfigfs(has_keys=has_keys), MARK).has_keys() is has_keys
