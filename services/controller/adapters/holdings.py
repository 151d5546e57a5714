"""What is known of attachments without asking anybody: for graphs, probes and events."""

from collections import Counter

from libs.core.ids import VolumeId
from libs.kube.attachments import PersistentVolume, VolumeAttachment, references
from libs.kube.correlate import Reference
from libs.kube.watched import Watched
from services.controller.adapters.verdicts import Verdicts


class Holdings:
    """Looks at what is watched; part of `services.controller.adapters.cluster.KubeCluster`."""

    def __init__(
        self,
        attachments: Watched[VolumeAttachment],
        volumes: Watched[PersistentVolume],
        verdicts: Verdicts,
    ) -> None:
        self._attachments = attachments
        self._volumes = volumes
        self._verdicts = verdicts

    def problem(self) -> str:
        """Say what is wrong with what is known; nothing while all of it is."""
        if self._attachments.is_synced and self._volumes.is_synced:
            return ""
        return "the Kubernetes API has not been read yet"

    @property
    def handovers(self) -> int:
        """How often a claim that was taken back a moment ago was passed over."""
        return self._verdicts.handovers

    def count_attached(self) -> int:
        """Return how many volumes are attached somewhere."""
        return len({a.slot for a in self._attachments.values() if a.attached})

    def count_shared(self) -> int:
        """Return how many volumes are attached to two nodes that may write."""
        readers = {volume.name for volume in self._volumes.values() if volume.read_only}
        nodes = Counter(
            a.volume for a in self._attachments.values() if a.attached and a.volume not in readers
        )
        return sum(count > 1 for count in nodes.values())

    def objects_of(self, volume: VolumeId) -> tuple[Reference, ...]:
        """Return a volume's PersistentVolume and its claim."""
        return tuple(about for one in self._volumes.found(volume.text) for about in references(one))
