from argparse import Namespace
from pathlib import Path

import pytest

from rdsctl.connection import BadSettings, resolve

CONFIG = """
current-context = "blue"

[contexts.blue]
endpoint = "blue.example:9443"
tls-cert = "blue.crt"
tls-key = "/keys/blue.key"
tls-ca = "~/ca.crt"
timeout = 12

[contexts.green]
endpoint = "unix:///run/green.sock"
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / ".config" / "rdsctl"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


def test_the_current_context_is_used(environ: dict[str, str], tmp_path: Path) -> None:
    connection = resolve(Namespace(), environ)

    assert connection.shown == "tcp://blue.example:9443"
    assert connection.timeout == 12
    assert connection.tls is not None
    assert connection.tls.certificate == tmp_path / ".config" / "rdsctl" / "blue.crt"
    assert connection.tls.key == Path("/keys/blue.key")
    assert connection.tls.authority == tmp_path / "ca.crt"


@pytest.mark.parametrize(
    ("args", "variables"),
    [(Namespace(context="green"), {}), (Namespace(), {"RDSCTL_CONTEXT": "green"})],
)
def test_another_context_is_chosen_by_flag_or_variable(
    environ: dict[str, str], args: Namespace, variables: dict[str, str]
) -> None:
    assert resolve(args, environ | variables).address == Path("/run/green.sock")


def test_flags_come_before_variables_and_variables_before_the_context(
    environ: dict[str, str],
) -> None:
    variables = environ | {"RDSCTL_TIMEOUT": "7", "RDSCTL_ENDPOINT": "unix:///variable.sock"}

    connection = resolve(Namespace(endpoint="unix:///flag.sock"), variables)

    assert connection.address == Path("/flag.sock")
    assert connection.timeout == 7


def test_the_message_about_an_endpoint_says_where_it_comes_from(environ: dict[str, str]) -> None:
    connection = resolve(Namespace(), environ)

    assert connection.source.startswith("endpoint in the context 'blue' of ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("current-context = 'red'", "has no context 'red'"),
        ("current-context = 'red'\ncontexts = 3", "has no context 'red'"),
        ("current = 'red'", "has a key 'current' that means nothing"),
        ("[contexts.a\nendpoint = 'x'", "cannot be read"),
        ("current-context = 'a'\n[contexts.a]\nendpont = 'x'", "has a key 'endpont'"),
        ("current-context = 'a'\n[contexts.a]\nendpoint = ['x']", "must be a single value"),
        ("current-context = 'a'\n[contexts.a]\nendpoint = '/a'\ntimeout = 0", "timeout in the"),
        ("current-context = 1", "current-context must be a name"),
    ],
)
def test_a_configuration_file_that_says_something_wrong_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(content)

    with pytest.raises(BadSettings, match=message):
        resolve(Namespace(config=str(file)), {})


@pytest.mark.parametrize("environ", [{}, {"HOME": "/nowhere"}, {"XDG_CONFIG_HOME": "/nowhere"}])
def test_a_configuration_file_is_needed_only_where_it_was_named(environ: dict[str, str]) -> None:
    endpoint = {"RDSCTL_ENDPOINT": "unix:///a.sock"}

    assert resolve(Namespace(), environ | endpoint).address == Path("/a.sock")
    with pytest.raises(BadSettings, match="there is no configuration file"):
        resolve(Namespace(config="/nowhere/c.toml"), environ | endpoint)
