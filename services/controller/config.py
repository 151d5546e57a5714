"""The controller's settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.core.address import NVME_TCP_PORT, parse_host, parse_port
from libs.core.ids import parse_device_name, parse_driver_name, parse_nqn_prefix
from libs.core.paths import DevicePath
from libs.core.size import GIB, MAX_BYTES, TIB, round_down
from libs.csikit.endpoint import TcpAddress
from libs.csikit.exposure import Exposure, parse_names, parse_optional_address
from libs.ops.settings import choice, flag, integer, pairs, seconds, setting, switch, variable
from libs.ops.telemetry import TelemetrySettings

MAX_OVERCOMMIT = 100

_SNMP_NEEDS = {
    "off": (),
    "2c": ("rds_snmp_community_file",),
    "3": ("rds_snmp_user", "rds_snmp_auth_file", "rds_snmp_privacy_file"),
}


def _base_paths(text: str) -> tuple[DevicePath, ...]:
    paths = tuple(DevicePath.parse(part.strip(), "each path") for part in text.split(","))
    for path in paths:
        inside = [one for one in paths if one.text.startswith(f"{path.text}/")]
        if inside:
            # What lies in a directory of volumes is taken for a volume, or for what is left of one.
            raise ValueError(f"must not lie in each other: {inside[0]} lies in {path}")
    return paths


def _overcommit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value and not 1 <= value <= MAX_OVERCOMMIT:
        raise ValueError(f"must be 0, or a number from 1 to {MAX_OVERCOMMIT}")
    return value


@dataclass(frozen=True, kw_only=True)
class ControllerSettings(TelemetrySettings):
    """Every setting of the controller; `libs.ops.settings` makes flags and variables of them.

    With several devices there is one of these for each, alike but for what is the device's own.
    """

    rds_name: str = setting(
        "name of the device, for the parameter rds and for messages", parse_device_name, "rds"
    )
    rds_devices_file: Path | None = setting(
        "YAML file that lists several devices; what it leaves out is as the other settings say",
        Path,
        None,
    )
    rds_address: str = setting(
        "management address of the device (required without a devices file)", parse_host, ""
    )
    rds_port: int = setting("SSH port of the device", parse_port, 22)
    rds_user: str = setting("RouterOS user", str, "rds-csi")
    rds_key_file: Path | None = setting("private key to log in with", Path, None)
    rds_password_file: Path | None = setting("file with a password to log in with", Path, None)
    rds_host_key_file: Path | None = setting(
        "what the device's host key must be: OpenSSH public keys, or a known_hosts file", Path, None
    )
    rds_check_host_key: bool = setting(
        "false trusts any device that answers; for experiments only", switch, default=True
    )
    rds_max_sessions: int = setting("commands on the device at once", integer(1, 64), 8)
    rds_batch_commands: int = setting(
        "waiting commands that may share one round trip; 1 sends each alone", integer(1, 64), 16
    )
    rds_command_timeout: float = setting(
        "seconds for one command on the device", seconds(1, 600), 30.0
    )
    rds_snmp: str = setting(
        "whether the device's hardware is read over SNMP, and in which version",
        choice("off", "2c", "3"),
        "off",
    )
    rds_snmp_port: int = setting("UDP port of the device's SNMP agent", parse_port, 161)
    rds_snmp_community_file: Path | None = setting(
        "with version 2c: file with the community", Path, None
    )
    rds_snmp_user: str = setting("with version 3: the user", str, "")
    rds_snmp_auth_file: Path | None = setting(
        "with version 3: file with the password for authentication (SHA)", Path, None
    )
    rds_snmp_privacy_file: Path | None = setting(
        "with version 3: file with the password for encryption (AES-128)", Path, None
    )
    nvme_address: str = setting(
        "address that nodes reach the device at, for NVMe/TCP (required without a devices file)",
        parse_host,
        "",
    )
    nvme_port: int = setting("NVMe/TCP port of new volumes", parse_port, NVME_TCP_PORT)
    nqn_prefix: str = setting(
        "what the NQNs of new volumes begin with", parse_nqn_prefix, "nqn.2000-02.com.mikrotik"
    )
    volume_base_paths: tuple[DevicePath, ...] = setting(
        "directories on the device that may hold volumes, separated by commas; the first is the "
        "default (required without a devices file)",
        _base_paths,
        (),
    )
    topology: tuple[tuple[str, str], ...] = setting(
        "topology segments of the nodes that reach the device, as KEY=VALUE pairs", pairs, ()
    )
    overcommit: float = setting(
        "how many times its size a pool may be promised, for thin files; 0 takes the room of a "
        "volume when it is made",
        _overcommit,
        0.0,
    )
    fencing: bool = setting(
        "whether volumes may ask for fencing on the device (parameter fencing=host)",
        switch,
        default=False,
    )
    fencing_two_hosts: str = setting(
        "what to do where fencing has to admit two nodes, as in a live migration: send the device "
        "a list, admit only the last, or refuse the second",
        choice("list", "last", "refuse"),
        "refuse",
    )
    file_copies: bool = setting(
        "whether the device copies files, for snapshots and clones of volumes of layout=file",
        switch,
        default=True,
    )
    copy_attached: bool = setting(
        "whether a file may be copied while a node writes to it; such a copy is torn",
        switch,
        default=False,
    )
    copy_rate: int = setting(
        "rate of a copy on the device, in MiB/s, from which the time it is given follows; one that "
        "has had its time and does not grow any more counts as dead",
        integer(1, 100_000),
        20,
    )
    default_volume_bytes: int = setting(
        "size of a volume where none is asked for, in bytes", integer(1, MAX_BYTES), GIB
    )
    max_volume_bytes: int = setting(
        "largest volume, in bytes", integer(1, MAX_BYTES), round_down(64 * TIB)
    )
    csi_endpoint: str = setting("socket to serve CSI on", str, "unix:///csi/csi.sock")
    admin_endpoint: Path | TcpAddress | None = setting(
        "where to serve the admin API: unix:///PATH, or tcp://HOST:PORT; nowhere by default",
        parse_optional_address,
        None,
    )
    admin_tls_cert: Path | None = setting(
        "the admin API's certificate, in PEM; read again when it changes", Path, None
    )
    admin_tls_key: Path | None = setting("its private key, in PEM", Path, None)
    admin_tls_ca: Path | None = setting(
        "the authorities that certificates of the admin API's callers must come from, in PEM",
        Path,
        None,
    )
    admin_allowed_clients: tuple[str, ...] = setting(
        "names in certificates (URI, DNS or common name) of those who may call the admin API, "
        "separated by commas; none for everybody who has a certificate",
        parse_names,
        (),
    )
    admin_insecure: bool = setting(
        "whether the admin API may be served without TLS where others reach it; for experiments",
        switch,
        default=False,
    )
    driver_name: str = setting("name of the CSI driver", parse_driver_name, "rds.csi.srvlab.io")
    attachments: str = setting(
        "where attachments are known from: the cluster's VolumeAttachments, or this process's "
        "memory, which forgets them when it ends",
        choice("cluster", "memory"),
        "cluster",
    )
    known_nodes: tuple[tuple[str, str], ...] = setting(
        "with attachments in memory: the nodes there are, as NAME=HOST-NQN pairs; none for any",
        pairs,
        (),
    )
    handover_seconds: float = setting(
        "how long after a detach its VolumeAttachment no longer counts, though it is still there",
        seconds(0, 600),
        30.0,
    )
    serialize_machines: bool = setting(
        "whether calls for volumes of one KubeVirt machine run one at a time", switch, default=False
    )
    annotate_volumes: bool = setting(
        "whether PersistentVolumes are annotated, for people, with the nodes that hold them",
        switch,
        default=True,
    )
    volume_traffic: bool = setting(
        "whether a scrape shows the traffic of each volume too, of up to 256: nine series for "
        "every one, and one more command on the device for each 32 of them",
        switch,
        default=False,
    )
    kubeconfig: Path | None = setting(
        "kubeconfig file; without it, the pod's service account is used", Path, None
    )
    drain_seconds: float = setting(
        "how long calls in hand may take to finish at shut-down", seconds(0, 600), 30.0
    )

    @property
    def admin(self) -> Exposure:
        """Where the admin API is served, and to whom."""
        return Exposure(
            self.admin_endpoint,
            self.admin_tls_cert,
            self.admin_tls_key,
            self.admin_tls_ca,
            self.admin_allowed_clients,
            self.admin_insecure,
        )

    def __post_init__(self) -> None:
        problems = [] if self.rds_devices_file else list(device_problems(self))
        problems += self.admin.problems()
        if problems:
            raise ValueError("\n".join(problems))


def device_problems(settings: ControllerSettings) -> Iterator[str]:
    """Yield what is missing to reach the device."""
    for name in ("rds_address", "nvme_address", "volume_base_paths"):
        if not getattr(settings, name):
            yield f"{flag(name)} ({variable(name)}) is required"
    if settings.rds_check_host_key and settings.rds_host_key_file is None:
        yield (
            "--rds-host-key-file is required while host keys are checked (or, for experiments, "
            "--rds-check-host-key=false)"
        )
    if settings.rds_key_file is None and settings.rds_password_file is None:
        yield "--rds-key-file or --rds-password-file is required"
    for name in _SNMP_NEEDS[settings.rds_snmp]:
        if not getattr(settings, name):
            yield f"{flag(name)} ({variable(name)}) is required with --rds-snmp={settings.rds_snmp}"
