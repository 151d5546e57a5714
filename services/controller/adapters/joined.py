"""Claims as far as they are known: VolumeAttachments, joined with their PersistentVolumes."""

from collections import Counter

from libs.core.ids import VolumeId
from libs.kube.attachments import Claim, PersistentVolume, VolumeAttachment, join, slot_of
from libs.kube.watched import Watched


class Joined:
    """Looks at what is watched; part of `services.controller.adapters.cluster.KubeCluster`.

    Which volume an attachment is to is in its PersistentVolume, and the two watches know nothing of
    each other. So it is counted which volumes are named that are not known: to see whether there
    are any must not take a look at each of ten thousand attachments.
    """

    def __init__(
        self, attachments: Watched[VolumeAttachment], volumes: Watched[PersistentVolume]
    ) -> None:
        self._attachments = attachments
        self._volumes = volumes
        self._named: Counter[str] = Counter()
        self._missing: set[str] = set()
        attachments.follow(self._name, self._unname)
        volumes.follow(self._learn, self._lose)

    @property
    def is_whole(self) -> bool:
        """Whether of each attachment that is known the volume is known, and neither has a gap."""
        complete = self._attachments.is_complete and self._volumes.is_complete
        return complete and not self._missing

    def of_volume(self, volume: VolumeId) -> tuple[Claim, ...]:
        """Return the claims to a volume, as far as they are known."""
        claims = [
            join(attachment, persistent)
            for persistent in self._volumes.found(volume.text)
            for attachment in self._attachments.found(slot_of(persistent.name))
            if attachment.volume == persistent.name
        ]
        # Those whose volume is not known count by its name; inline ones bring the handle along.
        claims += [
            join(attachment, None)
            for attachment in self._attachments.found(volume.slot.text)
            if self._volumes.get(attachment.volume) is None
        ]
        return tuple(claims)

    def _name(self, attachment: VolumeAttachment) -> None:
        name = attachment.volume
        if name:
            self._named[name] += 1
            if self._volumes.get(name) is None:
                self._missing.add(name)

    def _unname(self, attachment: VolumeAttachment) -> None:
        name = attachment.volume
        if name:
            self._named[name] -= 1
            if not self._named[name]:
                del self._named[name]
                self._missing.discard(name)

    def _learn(self, volume: PersistentVolume) -> None:
        self._missing.discard(volume.name)

    def _lose(self, volume: PersistentVolume) -> None:
        if volume.name in self._named:
            self._missing.add(volume.name)
