"""What goes on between the controller and its devices, as metrics."""

from libs.ops.metrics import SECONDS, Metrics

RECONNECT_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds: the first try is at once, and a device may be away for an hour."""


class DeviceCounts:
    """The metrics of the connections to all devices; `observer` counts one device's."""

    def __init__(self, metrics: Metrics) -> None:
        self.state = metrics.gauge(
            "rds_connection_state", "Whether the device is connected (1) or not (0).", ("device",)
        )
        self.reconnects = metrics.counter(
            "rds_reconnect_total", "Connections made after one was lost.", ("device",)
        )
        self.reconnect_seconds = metrics.histogram(
            "rds_reconnect_duration_seconds",
            "From the loss of a connection to the next one.",
            ("device",),
            RECONNECT_SECONDS,
        )
        self.commands = metrics.counter(
            "rds_commands_total",
            "Commands that have ended, by what they are for and how they ended.",
            ("device", "command", "result"),
        )
        self.command_seconds = metrics.histogram(
            "rds_command_duration_seconds",
            "Commands, with the wait for a free channel.",
            ("device", "command"),
        )
        self.channels = metrics.gauge(
            "rds_channels_in_flight", "Execs under way on the device.", ("device",)
        )
        self.queue_seconds = metrics.histogram(
            "rds_queue_wait_seconds",
            "Waits of commands for a free channel.",
            ("device",),
            (0.001, *SECONDS),
        )
        self.round_trips = metrics.counter(
            "rds_round_trips_total",
            "Execs that were sent; several commands share one.",
            ("device",),
        )

    def observer(self, device: str) -> "DeviceObserver":
        """Return what `open_rds` is to tell of one device; it is not connected yet.

        Args:
            device: its name.
        """
        self.state.set(device, to=0)
        self.channels.set(device, to=0)
        self.reconnects.add(device, by=0)
        self.round_trips.add(device, by=0)
        return DeviceObserver(self, device)


class DeviceObserver:
    """Counts what happens on one device (`libs.rdsclient.observer.Observer`)."""

    def __init__(self, counts: DeviceCounts, device: str) -> None:
        self._counts = counts
        self._device = device

    def connection_changed(self, *, is_up: bool) -> None:
        """Show whether there is a connection."""
        self._counts.state.set(self._device, to=int(is_up))

    def reconnected(self, seconds: float) -> None:
        """Count a connection made after one was lost."""
        self._counts.reconnects.add(self._device)
        self._counts.reconnect_seconds.observe(self._device, value=seconds)

    def command_ended(self, command: str, result: str, seconds: float) -> None:
        """Count a command."""
        self._counts.commands.add(self._device, command, result)
        self._counts.command_seconds.observe(self._device, command, value=seconds)

    def command_sent(self, waited: float) -> None:
        """Count a wait for a free channel."""
        self._counts.queue_seconds.observe(self._device, value=waited)

    def round_trip_begun(self) -> None:
        """Count an exec."""
        self._counts.round_trips.add(self._device)

    def channels_changed(self, count: int) -> None:
        """Show how many execs are under way."""
        self._counts.channels.set(self._device, to=count)
