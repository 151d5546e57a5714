"""What values of the host promise: errors, connections and their states."""

from libs.nvmeof.errors import HostHangs
from libs.nvmeof.model import Connection, LinkState


def test_a_host_that_hangs_is_told_with_the_tool_that_cannot_be_killed() -> None:
    error = HostHangs("mkfs did not end", detail="waiting in D", pid=12)

    assert (error.message, error.detail, error.pid) == ("mkfs did not end", "waiting in D", 12)
    assert str(error) == "mkfs did not end"


def test_a_host_that_hangs_without_a_tool_names_none() -> None:
    error = HostHangs("the kernel did not answer")

    assert (error.detail, error.pid) == ("", 0)


def test_a_connection_is_certain_unless_something_else_is_said() -> None:
    assert Connection("nqn.a", LinkState.LIVE, None).is_certain


def test_states_of_connections_are_called_as_dashboards_and_alerts_know_them() -> None:
    assert {state.value for state in LinkState} == {"live", "connecting", "dead"}
