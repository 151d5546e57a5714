"""What the command line says about the plugin under test."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GIB = 2**30

Pairs = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that a caller must know of a plugin and cannot ask it for.

    `secrets` has one set per RPC, and under the empty name those that go with every call.
    """

    endpoint: str = ""
    node_endpoint: str = ""
    parameters: Pairs = field(default_factory=dict)
    other_parameters: Pairs = field(default_factory=dict)
    mutable_parameters: Pairs = field(default_factory=dict)
    snapshot_parameters: Pairs = field(default_factory=dict)
    secrets: dict[str, Pairs] = field(default_factory=dict)
    node_id: str = ""
    second_node_id: str = ""
    volume_bytes: int = GIB
    fs_type: str = ""
    state_dir: Path | None = None
    call_seconds: float = 20.0
    ready_seconds: float = 40.0

    def secrets_of(self, rpc: str) -> Pairs:
        """Return what goes into the `secrets` of a call."""
        return {**self.secrets.get("", {}), **self.secrets.get(rpc, {})}


def parse_pairs(text: str) -> Pairs:
    """Read `k=v,k=v`; a value may hold further equals signs."""
    pairs = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise pytest.UsageError(f"{part!r} is not of the form key=value")
        pairs[key] = value
    return pairs


def read_secrets(path: str) -> dict[str, Pairs]:
    """Read a JSON object: a text value goes with every call, an object with the RPC it is under."""
    if not path:
        return {}
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--csi-secrets: {path} cannot be read: {error}") from error
    common = {key: str(value) for key, value in content.items() if not isinstance(value, dict)}
    return {"": common} | {key: value for key, value in content.items() if isinstance(value, dict)}


_FLAGS = {
    "--csi-endpoint": "socket of the controller, as unix:///path; without it, this project's own",
    "--csi-node-endpoint": "socket of the node plugin; without it, the node's tests are skipped",
    "--csi-parameters": "k=v,... for CreateVolume",
    "--csi-other-parameters": "k=v,... that ask for another kind of volume than --csi-parameters",
    "--csi-mutable-parameters": "k=v,... that ControllerModifyVolume accepts",
    "--csi-snapshot-parameters": "k=v,... for CreateSnapshot",
    "--csi-secrets": "JSON file with secrets, for all calls or by RPC",
    "--csi-node-id": "node to publish to; without it, what NodeGetInfo says",
    "--csi-second-node-id": "another node that the plugin knows",
    "--csi-volume-bytes": f"size of the volumes to make ({GIB})",
    "--csi-fs-type": "filesystem to ask for; without it, the plugin chooses",
    "--csi-state-dir": "directory in which the node plugin may make its staging and target paths",
    "--csi-call-seconds": "deadline of each call (20)",
    "--csi-ready-seconds": "how long a snapshot may take to become ready to use (40)",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("csi", "CSI conformance")
    for flag, text in _FLAGS.items():
        group.addoption(flag, default="", help=text)


def read_options(config: pytest.Config) -> Options:
    """Read the options; where they were declared too late to be parsed, all are left out."""

    def given(flag: str) -> str:
        return str(config.getoption(flag.removeprefix("--").replace("-", "_"), "") or "")

    state_dir = given("--csi-state-dir")
    return Options(
        endpoint=given("--csi-endpoint"),
        node_endpoint=given("--csi-node-endpoint"),
        parameters=parse_pairs(given("--csi-parameters")),
        other_parameters=parse_pairs(given("--csi-other-parameters")),
        mutable_parameters=parse_pairs(given("--csi-mutable-parameters")),
        snapshot_parameters=parse_pairs(given("--csi-snapshot-parameters")),
        secrets=read_secrets(given("--csi-secrets")),
        node_id=given("--csi-node-id"),
        second_node_id=given("--csi-second-node-id"),
        volume_bytes=int(given("--csi-volume-bytes") or GIB),
        fs_type=given("--csi-fs-type"),
        state_dir=Path(state_dir) if state_dir else None,
        call_seconds=float(given("--csi-call-seconds") or 20),
        ready_seconds=float(given("--csi-ready-seconds") or 40),
    )
