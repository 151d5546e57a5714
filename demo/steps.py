"""What a step of the walk is, and what all of them know."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from demo.host import Need
from demo.processes import House, Surprise
from protos.gen.csi import v1 as csi

NAME = "pvc-5d1a2b3c-0e4f-4a5b-8c6d-7e8f9a0b1c2d"
SNAPSHOT = "nightly"
RESTORED = "pvc-00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        name: its name.
        call: the call itself; returns what is shown of its answer.
        round_trips: how many round trips to the device it may cost.
        needs: without which it is left out.
    """

    name: str
    call: Callable[[House], Awaitable[str]]
    round_trips: int = 0
    needs: Need = Need.NOTHING


def expect(*, that: bool, expected: str, got: object) -> None:
    """Stop the demo where something is not as expected.

    Raises:
        Surprise: it is not.
    """
    if not that:
        raise Surprise(f"expected {expected}; got {got}")


def capability(house: House) -> csi.VolumeCapability:
    """Return how the volumes are used: mounted, with the filesystem that works on this host."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapabilityMountVolume(fs_type=house.host.fs_type),
        access_mode=csi.VolumeCapabilityAccessMode(
            mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
        ),
    )
