"""The control plane of the tests, and what else everything stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kube.cluster import Cluster
from tests.kube.commands import component_command

_CONTROLLERS = "kube-controller-manager"
_QUICK = {
    # By default 40, 5 and 60 seconds: a node is missed soon, and that a volume is detached from it,
    # by whomever, is seen soon.
    _CONTROLLERS: [
        "--node-monitor-grace-period=8s",
        "--node-monitor-period=1s",
        "--attach-detach-reconcile-sync-period=3s",
    ]
}


class ControlPlane(Cluster):
    """A control plane that notices quickly what happens to its nodes."""

    def start(self, components: Sequence[str] = (_CONTROLLERS, "kube-scheduler")) -> None:
        """Start all of it.

        Raises:
            ClusterFailed: one of them does not run.
        """
        super().start()
        for component in components:
            command = [*component_command(self, component), *_QUICK.get(component, ())]
            process = self._process(command)
            process.start()
            self._others.append(process)

    def add_client(self, file: str, user: str, group: str) -> None:
        """Write the certificate and key of a user of the API."""
        self._pki.add_client(file, user, group)


@dataclass(frozen=True)
class Ground:
    """What services and nodes stand on.

    Attributes:
        cluster: the control plane.
        directory: of the run.
        prefix: what the NQNs of volumes begin with, which tells runs apart.
        run: the run's name.
    """

    cluster: ControlPlane
    directory: Path
    prefix: str
    run: str

    @property
    def files(self) -> Path:
        """Where the device keeps its files: told from others even where only its end is seen."""
        return self.directory / f"{self.run}-disks"

    @property
    def logs(self) -> Path:
        """Where processes log."""
        return self.directory / "logs"
