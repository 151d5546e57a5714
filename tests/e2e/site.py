"""All of it, assembled as it is shipped, on this machine."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.device import Device
from tests.e2e.ground import ControlPlane, Ground
from tests.e2e.machine import Machine
from tests.e2e.programs import (
    PASSWORD,
    controller_command,
    program,
    reconciler_command,
    sidecar_commands,
)
from tests.e2e.sweeping import PREFIX
from tests.kube.processes import ClusterFailed, Process
from tests.kube.shipped import NAMESPACE, SERVICES

DIRECTORY = "RDS_CSI_E2E_DIRECTORY"
"""Names the directory of the run. `python -m tests.e2e` sets it, in namespaces of its own."""

_HIDDEN = ("/run", "/var/log")
"""Directories in which containerd and kubelets have places that they cannot be talked out of."""

_READY_SECONDS = 30.0


class Sidecars(Process):
    """Sidecars, which can be held up as if they had hung."""

    def hold(self) -> None:
        """Have them do nothing until they go on."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """End that."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class Site:
    """A control plane, a device, the services and two machines.

    Attributes:
        ground: the control plane, and directories.
        device: the device.
        controller: the controller's process.
        sidecars: its sidecars.
        reconcilers: two replicas, by name.
        machines: the nodes, by name.
    """

    def __init__(self, directory: Path) -> None:
        inner = _hide_places(directory)
        for place in ("control", "logs", "device"):
            (inner / place).mkdir()
        users = {name: f"system:serviceaccount:{NAMESPACE}:rds-csi-{name}" for name in SERVICES}
        cluster = ControlPlane(inner / "control", users)
        _keep_logs_on_disk(directory, inner)
        run = directory.name.removeprefix(PREFIX).replace("_", "-")
        prefix = f"nqn.2000-02.com.mikrotik.e2e-{run}"
        self.ground = Ground(cluster, inner, prefix, directory.name)
        self.ground.files.mkdir()
        (inner / "password").write_text(PASSWORD)
        logs = self.ground.logs
        self.device = Device(self.ground)
        self.controller = Process(
            controller_command(self.ground, self.device.port), logs / "controller.log"
        )
        self.reconcilers = {
            name: Process(reconciler_command(self.ground, name), logs / f"{name}.log")
            for name in ("reconciler-a", "reconciler-b")
        }
        self.sidecars = [
            Sidecars(command, logs / f"{name}.log")
            for name, command in sidecar_commands(self.ground).items()
        ]
        self.machines = {name: Machine(name, self.ground) for name in ("node-1", "node-2")}

    @property
    def cluster(self) -> ControlPlane:
        return self.ground.cluster

    @property
    def csi_socket(self) -> Path:
        return self.ground.directory / "csi.sock"

    # Its life

    def start(self, set_up: Callable[["Site"], Any]) -> None:
        """Start all of it.

        Args:
            set_up: applies to the cluster what is shipped, as soon as there is one.
        """
        self.cluster.start()
        asyncio.run(set_up(self))
        self.device.process.start()
        self._until(self.device.answers, "the device answers")
        self.device.write_key()
        self.start_controller()
        for process in (*self.sidecars, *self.reconcilers.values()):
            process.start()
        for machine in self.machines.values():
            machine.start()

    def stop(self) -> None:
        """End all of it."""
        for machine in self.machines.values():
            machine.stop()
        rest = (*self.reconcilers.values(), *self.sidecars, self.controller, self.device.process)
        for process in rest:
            process.stop()
        self.cluster.stop()

    def start_controller(self) -> None:
        """Start the controller, and wait until it serves."""
        self.csi_socket.unlink(missing_ok=True)
        self.controller.start()
        self._until(self.csi_socket.exists, "the controller serves")

    def restart_controller(self) -> None:
        """Kill the controller, and start it again."""
        self.controller.stop(at_once=True)
        self.start_controller()

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ClusterFailed(f"not so after {_READY_SECONDS:g} s: {what}")
            time.sleep(0.1)

    # What people do

    def rdsctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `rdsctl` on whichever replica leads, as an administrator does."""
        done = None
        for name in self.reconcilers:
            endpoint = f"--endpoint=unix://{self.ground.directory}/{name}.sock"
            done = subprocess.run(  # noqa: S603
                [program("rdsctl"), endpoint, *words],
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
            )
            if done.returncode == 0:
                break
        assert done is not None
        return done


def _hide_places(directory: Path) -> Path:
    """Return a directory in memory, and have empty ones where programs insist on the host's.

    The mounts are those of the run's namespace, and end with it. Logs stay on the disk.
    """
    inner = directory / "r"
    inner.mkdir()
    for place in (str(inner), *_HIDDEN):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "e2e", place], check=True)  # noqa: S603, S607
    return inner


def _keep_logs_on_disk(directory: Path, inner: Path) -> None:
    """Have what is logged in memory be on the disk, where it outlives this process."""
    for place in ("logs", "control/log"):
        kept = directory / "logs" / place.replace("/", "-")
        kept.mkdir(parents=True)
        subprocess.run(["mount", "--bind", kept, inner / place], check=True)  # noqa: S603, S607


def own_directory() -> Path | None:
    """Return the directory of this run; None outside of one."""
    name = os.environ.get(DIRECTORY)
    return Path(name) if name else None
