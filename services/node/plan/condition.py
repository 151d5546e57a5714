"""How a volume does, in words for people. Pure."""

from dataclasses import dataclass

from libs.nvmeof.model import BlockDevice, Connection, LinkState
from services.node.plan.stage import Seen, staleness, usable_device
from services.node.volume import Record


@dataclass(frozen=True, slots=True)
class Condition:
    """How a volume does.

    Attributes:
        text: what is wrong, or that nothing is.
        abnormal: whether something is.
        repairable: whether staging it anew would mend it, and there is something to mend: what
            no pod has been given is for the next NodeStageVolume.
        stale: whether its mount is not what it should be.
    """

    text: str
    abnormal: bool = True
    repairable: bool = False
    stale: bool = False


SOUND = Condition("the volume is connected, and its mount is in order", abnormal=False)


def judge(record: Record, seen: Seen, suspended: str = "") -> Condition:
    """Return how a volume does.

    Args:
        record: what it should be.
        seen: what it is.
        suspended: why its circuit breaker is open; nothing if it is not.
    """
    condition = _judge(record, seen)
    if suspended and condition.abnormal:
        return Condition(
            f"{condition.text}; after several failures it is left alone for a while, the last "
            f"one: {suspended}",
            repairable=condition.repairable,
            stale=condition.stale,
        )
    return condition


def _judge(record: Record, seen: Seen) -> Condition:
    serving = bool(record.publications) or seen.mount is not None
    device = usable_device(seen.connection)
    if device is None or (seen.connection and seen.connection.state is LinkState.CONNECTING):
        return _judge_connection(seen.connection, serving=serving)
    if record.use.is_block:
        return _judge_nodes(seen, device)
    if seen.mount is None:
        return Condition("the volume is not mounted at its staging path", repairable=serving)
    reason = staleness(seen.mount, device, answers=seen.answers, read_only=record.use.is_read_only)
    if reason:
        return Condition(reason, repairable=True, stale=True)
    return _judge_binds(seen, device)


def _judge_connection(connection: Connection | None, *, serving: bool) -> Condition:
    if connection is None:
        return Condition("the volume is not connected to this node", repairable=serving)
    if connection.state is LinkState.CONNECTING:
        return Condition(
            "the connection to the device is lost and is being tried again; I/O waits until then"
        )
    return Condition("the volume is connected, and has no device", repairable=serving)


def _judge_nodes(seen: Seen, device: BlockDevice) -> Condition:
    for place in seen.places:
        if place.node != device.number:
            return Condition(
                f"the device node at {place.publication.path} is not that of the volume any more: "
                "pods that use it have to be restarted",
                repairable=place.is_ready,
                stale=True,
            )
    return SOUND


def _judge_binds(seen: Seen, device: BlockDevice) -> Condition:
    for place in seen.places:
        if place.mount is None or not place.mount.is_on(device.path, device.number):
            return Condition(
                f"the volume is not mounted at {place.publication.path}", repairable=place.is_ready
            )
    return SOUND
