"""Sizes. All rounding in the project happens here, in whole bytes, and always upwards."""

from dataclasses import dataclass

from libs.core.errors import InvalidRequest, OutOfRange

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

GRANULE = 4 * KIB
"""Volume sizes are multiples of this many bytes: the largest logical block that NVMe hosts use."""

MAX_BYTES = 2**63 - GRANULE
"""The largest multiple of the granule that fits the int64 of the CSI messages."""

_UNITS = (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))


def round_up(size: int, granule: int = GRANULE) -> int:
    """Return the smallest multiple of `granule` that is not less than `size`, both in bytes."""
    return -(-size // granule) * granule


def round_down(size: int, granule: int = GRANULE) -> int:
    """Return the largest multiple of `granule` that is not more than `size`, both in bytes."""
    return size // granule * granule


def format_bytes(size: int) -> str:
    """Return a size for people: in the largest unit that divides it, or to two decimals."""
    for name, unit in _UNITS:
        if abs(size) >= unit:
            return f"{size // unit} {name}" if size % unit == 0 else f"{size / unit:.2f} {name}"
    return f"{size} bytes"


@dataclass(frozen=True, slots=True)
class CapacityRange:
    """What a caller asks of a size, in bytes. 0 leaves that end open.

    Raises:
        InvalidRequest: a bound is negative, or the required size is above the limit.
    """

    required: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        for name, value in (("required_bytes", self.required), ("limit_bytes", self.limit)):
            if value < 0:
                raise InvalidRequest(f"capacity_range.{name} must not be negative, not {value}")
        if self.limit and self.required > self.limit:
            raise InvalidRequest(
                f"capacity_range.required_bytes ({self.required}) must not be above "
                f"limit_bytes ({self.limit})"
            )

    def admits(self, size: int) -> bool:
        """Whether a volume of `size` bytes is what was asked for."""
        return self.required <= size and (not self.limit or size <= self.limit)

    def choose(self, *, default: int, minimum: int, maximum: int) -> int:
        """Return the size in bytes to provide: what is required, rounded up to the granule.

        Args:
            default: used when no size is required.
            minimum: a smaller requirement is raised to this.
            maximum: nothing larger is provided.

        Raises:
            OutOfRange: no multiple of the granule within the limits satisfies the range.
        """
        wanted = self.required or min(default, round_down(self.limit) or default)
        size = round_up(max(wanted, minimum))
        if size > maximum:
            raise OutOfRange(
                f"capacity_range.required_bytes asks for {format_bytes(size)} ({size}), more than "
                f"the largest volume, {format_bytes(maximum)} ({maximum})"
            )
        if self.limit and size > self.limit:
            raise OutOfRange(
                f"capacity_range.limit_bytes ({self.limit}) leaves no possible size: volumes are "
                f"multiples of {GRANULE} bytes and at least {minimum}, so the smallest here "
                f"is {size}"
            )
        return size
