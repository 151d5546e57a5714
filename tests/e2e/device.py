"""The simulated device, as a process: what it has, and what is done to it."""

import contextlib
import json
import os
import subprocess
import urllib.request
from typing import Any

from tests.component.node.rig import loops_below
from tests.e2e.ground import Ground
from tests.e2e.programs import PASSWORD, POOLS, device_command
from tests.kube.commands import free_ports
from tests.kube.processes import Process


class Device:
    """The device. It serves at `port`, and what it has outlives its restarts."""

    def __init__(self, ground: Ground) -> None:
        self.port, self._control = free_ports(2)
        self._ground = ground
        self._here = ground.directory
        command = device_command(ground, self.port, self._control)
        self.process = Process(command, ground.logs / "device.log")

    def write_key(self) -> None:
        """Write the public half of its host key, which the controller is to trust."""
        done = subprocess.run(  # noqa: S603
            ["ssh-keygen", "-y", "-f", self._here / "host-key"],  # noqa: S607
            check=True,
            capture_output=True,
        )
        (self._here / "host-key.pub").write_bytes(done.stdout)

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._control}{path}", data)
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 (our own)
            return json.loads(answer.read() or b"null")

    def answers(self) -> bool:
        """Return whether it runs."""
        with contextlib.suppress(OSError):
            return bool(self._ask("/state"))
        return False

    # What it has

    def volumes(self) -> set[str]:
        """Return the slots of volumes."""
        return {str(disk["slot"]) for disk in self._ask("/state")["disks"]} - set(POOLS)

    def files(self) -> set[str]:
        """Return the files and subvolumes of volumes and snapshots."""
        names = (str(file["name"]) for file in self._ask("/state")["files"])
        return {name for name in names if "volumes/" in name}

    def size_of(self, slot: str) -> int:
        """Return the size of a volume."""
        disks = self._ask("/state")["disks"]
        return next(int(disk["file-size"]) for disk in disks if disk["slot"] == slot)

    def loops(self) -> list[str]:
        """Return the loop devices on its files: what nodes are connected to."""
        return list(loops_below(self._ground.files))

    # What is done to it

    def restart(self, seconds: float) -> None:
        """Have it end all connections, and be away for some seconds."""
        self._ask("/restart", {"seconds": seconds})

    def delay(self, pattern: str, seconds: float) -> None:
        """Have the answer to the next command with this in it come late; it is done at once."""
        self._ask("/faults", {"action": "delay", "pattern": pattern, "amount": seconds})

    def has_delayed(self) -> bool:
        """Return whether each command that was to be answered late has been done."""
        return not self._ask("/faults")

    def forget_delays(self) -> None:
        """Have everything be answered in time."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._control}/faults", method="DELETE"
        )
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 (our own)
            pass

    def run(self, line: str) -> str:
        """Run a line as somebody who is logged in there."""
        asking = self._here / "ask-password"
        asking.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
        asking.chmod(0o700)
        options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        done = subprocess.run(  # noqa: S603
            ["ssh", "-p", str(self.port), *options, "rds-csi@127.0.0.1", line],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force"},
        )
        return done.stdout.strip()
