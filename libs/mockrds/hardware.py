"""What the simulated device's hardware does: drives, loads and sensors, each set from outside."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

from libs.mockrds.values import Item, Scalar

_T = TypeVar("_T")

_TIB = 2**40
_LARGEST = 2**63


@dataclass(kw_only=True)
class Drive:
    """A physical disk.

    Attributes:
        temperature: degrees Celsius.
        wear: percent of its rated life that is used.
        is_listed: whether its listing has what SMART says; otherwise only `smart-info` does.
    """

    slot: str
    size: int = 4 * _TIB
    temperature: int = 38
    wear: int = 3
    io_errors: int = 0
    is_listed: bool = True

    def item(self, number: int) -> Item:
        """Return its listing; the order of the properties is invented."""
        smart: Item = {"temperature": f"{self.temperature}C", "percentage-used": f"{self.wear}%"}
        return {
            ".id": f"*D{number:X}",
            "type": "hardware",
            "slot": self.slot,
            "fs": "-",
            "size": self.size,
            "nvme-tcp-export": False,
            "io-errors": self.io_errors,
            **(smart if self.is_listed else {}),
        }

    def smart(self) -> Item:
        """Return what `smart-info` prints, of which nobody has recorded the form."""
        return {
            "critical-warning": 0,
            "temperature": f"{self.temperature}C",
            "available-spare": "100%",
            "percentage-used": f"{self.wear}%",
        }


@dataclass(kw_only=True)
class Load:
    """What one disk is busy with: operations and bits a second, and milliseconds."""

    read_ops: int = 0
    write_ops: int = 12
    read_bits: int = 0
    write_bits: int = 12_800_000
    read_ms: int = 0
    write_ms: int = 0
    wait_ms: int = 0
    active_ms: int = 0
    in_flight: int = 0

    def properties(self, slot: str) -> Item:
        """Return what `monitor-traffic` says, as it was recorded."""
        return {
            "slot": slot,
            "read-ops": _grouped(243_401),
            "read-ops-per-second": _grouped(self.read_ops),
            "read-bytes": _grouped(33_131_503_616),
            "read-rate": _rate(self.read_bits),
            "read-merges": 0,
            "read-time": _time(self.read_ms),
            "write-ops": _grouped(17_667_231),
            "write-ops-per-second": _grouped(self.write_ops),
            "write-bytes": _grouped(515_659_673_600),
            "write-rate": _rate(self.write_bits),
            "write-merges": 0,
            "write-time": _time(self.write_ms),
            "in-flight-ops": self.in_flight,
            "active-time": _time(self.active_ms),
            "wait-time": _time(self.wait_ms),
        }


@dataclass(kw_only=True)
class Sensors:
    """What the chassis measures: degrees Celsius, rounds a minute, tenths of a watt."""

    cpu_temperature: int = 45
    board_temperature: int = 36
    fan1: int = 7500
    fan2: int = 7400
    psu1_deciwatts: int = 1420
    psu2_deciwatts: int = 1380
    psu1_temperature: int = 33
    psu2_temperature: int = 34
    psu1_failed: bool = False
    psu2_failed: bool = False


@dataclass
class Hardware:
    """Drives, loads by slot, and sensors."""

    drives: list[Drive] = field(default_factory=list)
    loads: dict[str, Load] = field(default_factory=dict)
    sensors: Sensors = field(default_factory=Sensors)

    def load(self, slot: str) -> Load:
        """Return what a disk is busy with."""
        return self.loads.get(slot, Load())

    def drive(self, slot: str) -> Drive | None:
        """Return a drive; None where the slot has none."""
        return next((drive for drive in self.drives if drive.slot == slot), None)

    def items(self) -> list[Item]:
        """Return the listings of the drives."""
        return [drive.item(number + 1) for number, drive in enumerate(self.drives)]

    def describe(self) -> dict[str, object]:
        """Return all of it as JSON has it."""
        return asdict(self)

    def change(self, given: Mapping[str, object]) -> None:
        """Change what is given, and leave the rest.

        Args:
            given: `drives` and `loads` by slot, and `sensors`, each a mapping of names to numbers;
                None takes a drive away.

        Raises:
            ValueError: something is unknown or does not fit; then nothing was changed.
        """
        if unknown := set(given) - {"drives", "loads", "sensors"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        drives = {drive.slot: drive for drive in self.drives}
        for slot, values in _mapping(given, "drives").items():
            if values is None:
                drives.pop(slot, None)
            else:
                drives[slot] = _changed(drives.get(slot, Drive(slot=slot)), values)
        loads = {
            slot: _changed(self.load(slot), values)
            for slot, values in _mapping(given, "loads").items()
        }
        self.sensors = _changed(self.sensors, _mapping(given, "sensors"))
        self.drives = list(drives.values())
        self.loads |= loads


def _mapping(given: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004 (it is a value of a request)
    return value


def _changed(before: _T, given: object) -> _T:
    """Return a dataclass of numbers and truths with some of them replaced."""
    known = {one.name: getattr(before, one.name) for one in fields(before)}  # type: ignore[arg-type] # one of the dataclasses above
    if not isinstance(given, Mapping):
        raise ValueError("what is changed must be an object")  # noqa: TRY004 (a value of a request)
    for name, value in given.items():
        if (
            name not in known
            or isinstance(known[name], str)
            or type(value) is not type(known[name])
        ):
            raise ValueError(f"{name} is unknown, or not of the right kind")
        if not -_LARGEST < value < _LARGEST:
            raise ValueError(f"{name} is too large")
    return type(before)(**{**known, **given})


def _grouped(number: int) -> Scalar:
    return f"{number:,}".replace(",", " ")


def _rate(bits: int) -> str:
    for scale, unit in ((10**9, "Gbps"), (10**6, "Mbps"), (10**3, "kbps")):
        if bits >= scale:
            return f"{bits / scale:.1f}{unit}"
    return f"{bits}bps"


def _time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds}s{rest}ms" if seconds else f"{rest}ms"
