"""Everything that reads input from outside, by name."""

from tests.fuzz import cluster, device, host, requests
from tests.fuzz.engine import Target

TARGETS: dict[str, Target] = {
    **requests.TARGETS,
    **device.TARGETS,
    **host.TARGETS,
    **cluster.TARGETS,
}
