"""What was promised, and whether a measurement keeps to it. Pure."""

from dataclasses import dataclass

MET, MISSED = "met", "MISSED"


@dataclass(frozen=True)
class Target:
    """A limit that a measured value must not exceed.

    Attributes:
        limit: the largest value that is allowed.
        unit: of the value, for people.
        subject: what the value is.
    """

    limit: float
    unit: str
    subject: str

    def is_met(self, value: float) -> bool:
        """Say whether a value keeps to it."""
        return value <= self.limit

    def judge(self, value: float) -> str:
        """Return a remark on a value: whether it keeps to the target."""
        word = MET if self.is_met(value) else MISSED
        return f"target {word}: {self.subject} {value:.4g}, at most {self.limit:g} {self.unit}"


PROBE = Target(1.0, "s", "from start to ready")
STAGE = Target(150.0, "ms", "over the bare tools")
RESIDENT = {
    "controller": Target(110.0, "MiB", "resident when idle"),
    "node": Target(60.0, "MiB", "resident when idle"),
    "reconciler": Target(110.0, "MiB", "resident when idle"),
}
