"""docker-compose.yml, brought up for tests: its commands, and what it says of itself."""

import functools
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PORTS = (
    "RDS_CSI_CONTROLLER_METRICS",
    "RDS_CSI_NODE_METRICS",
    "RDS_CSI_RECONCILER_METRICS",
    "RDS_CSI_PROMETHEUS_PORT",
)
SERVICES = ("mock-rds", "kubernetes", "controller", "node", "reconciler", "prometheus")
IMAGES = ("controller", "node", "reconciler", "mock-rds", "mock-kube", "demo")


def run(
    *command: str,
    limit: float = 60,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
) -> str:
    """Return what a command prints; where it fails, say what it said."""
    ended = subprocess.run(  # noqa: S603 (commands of tests)
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert ended.returncode == 0 or not check, (command, ended.stdout[-4000:], ended.stderr[-4000:])
    return ended.stdout


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Stack:
    """The services, up; with ports that nobody else has."""

    def __init__(self) -> None:
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        environment = {name: str(port) for name, port in self.ports.items()}
        self._environment = {**environment, "COMPOSE_PROFILES": "simulated"}

    def compose(self, *words: str, limit: float = 60, check: bool = True) -> str:
        return run(
            "docker", "compose", "--progress=quiet", *words,
            limit=limit, environment=self._environment, check=check,
        )  # fmt: skip

    def up(self) -> None:
        self.compose("up", "--detach", "--wait", "--wait-timeout=90", "--no-build", limit=120)

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout=5", limit=90)

    def demo(self, *flags: str) -> str:
        return self.compose("run", "--rm", "--no-TTY", "demo", *flags, limit=120)

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what the engine says of each service."""
        lines = self.compose("ps", "--all", "--format=json").splitlines()
        return {one["Service"]: one for one in map(json.loads, lines)}

    def get(self, port: str, path: str) -> str:
        """Return what a published port answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10) as it:
            text: str = it.read().decode()
        return text


def image(name: str) -> str:
    return f"rds-csi-{name}:dev"


def in_image(name: str, *command: str) -> str:
    """Return what a command prints in a container of an image."""
    first, *others = command
    return run(
        "docker", "run", "--rm", "--network=none", f"--entrypoint={first}", image(name), *others
    )


_FACTS = """
import importlib.metadata, json, os, pathlib
files = [one.suffix for one in pathlib.Path("/opt/rds-csi/lib").rglob("*.py*")]
packages = sorted((one.name, one.version) for one in importlib.metadata.distributions())
print(json.dumps({"uid": os.getuid(), "packages": dict(packages),
    "sources": files.count(".py"), "compiled": files.count(".pyc")}))
"""


@functools.cache
def facts(name: str) -> dict[str, Any]:
    """Return what a process in a container of an image sees: user, packages, numbers of files."""
    found: dict[str, Any] = json.loads(in_image(name, "/opt/rds-csi/bin/python", "-c", _FACTS))
    return found


def inspect(name: str) -> dict[str, Any]:
    found: Sequence[dict[str, Any]] = json.loads(run("docker", "image", "inspect", image(name)))
    return found[0]
