"""The reconciler's settings."""

from dataclasses import dataclass
from pathlib import Path

from libs.core.ids import parse_driver_name
from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.exposure import Exposure, parse_names, parse_optional_address
from libs.csikit.tls import TlsFiles
from libs.ops.settings import choice, flag, integer, seconds, setting, switch
from libs.ops.telemetry import TelemetrySettings
from services.reconciler.rules import InUse, Rules

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class ReconcilerSettings(TelemetrySettings):
    """Every setting of the reconciler; `libs.ops.settings` makes flags and variables of them."""

    controller_endpoint: Path | TcpAddress = setting(
        "the controller's admin API: unix:///PATH, or tcp://HOST:PORT", parse_address
    )
    controller_server_name: str = setting(
        "the name in the controller's certificate, where it is not the host's", str, ""
    )
    controller_tls_cert: Path | None = setting(
        "the certificate to show to the controller, in PEM; read again when it changes", Path, None
    )
    controller_tls_key: Path | None = setting("its private key, in PEM", Path, None)
    controller_tls_ca: Path | None = setting(
        "the authorities that the controller's certificate must come from, in PEM", Path, None
    )
    controller_insecure: bool = setting(
        "whether a controller on another machine may be called without TLS; for experiments",
        switch,
        default=False,
    )
    controller_timeout: float = setting(
        "seconds that the controller may take for an answer", seconds(1, 600), 60.0
    )
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
    kubeconfig: Path | None = setting(
        "kubeconfig file; without it, the pod's service account is used", Path, None
    )
    namespace: str = setting(
        "namespace of the Lease and of what is remembered; the pod's own where none is given",
        str,
        "",
    )
    lease_name: str = setting("name of the Lease", str, "rds-csi-reconciler")
    lease_seconds: float = setting(
        "seconds after which another replica may lead in place of one that is silent",
        seconds(2, 600),
        15.0,
    )
    lease_deadline: float = setting(
        "seconds without a renewal after which the leader stops acting", seconds(1, 590), 10.0
    )
    lease_retry: float = setting("seconds between two renewals", seconds(0.1, 60), 2.0)
    memory_name: str = setting(
        "name of the ConfigMap with first sights, decisions and the pause",
        str,
        "rds-csi-reconciler-memory",
    )
    interval: float = setting("seconds between two passes", seconds(1, _DAY), 300.0)
    debounce: float = setting(
        "seconds that events are gathered for before a pass", seconds(0, 60), 0.5
    )
    actions_at_once: int = setting("actions under way at once", integer(1, 64), 8)
    backoff_first: float = setting(
        "seconds until what failed is tried again; doubled each time", seconds(0.1, 3600), 2.0
    )
    backoff_longest: float = setting("and at most", seconds(1, _DAY), 300.0)
    max_age: float = setting(
        "how old, in seconds, what is known of the cluster may be for something to be concluded",
        seconds(1, 3600),
        120.0,
    )
    max_device_age: float = setting(
        "and what is known of devices and from the controller", seconds(1, 3600), 120.0
    )
    node_gone: float = setting(
        "seconds after which volumes are taken from a node that was deleted",
        seconds(0, _DAY),
        30.0,
    )
    out_of_service: float = setting(
        "seconds after which volumes are taken from a node that has the out-of-service taint, and "
        "is not Ready",
        seconds(0, _DAY),
        0.0,
    )
    not_ready: float = setting(
        "seconds after which volumes are taken from a node that is not Ready, and does not report "
        "them in use",
        seconds(10, _DAY),
        60.0,
    )
    not_ready_in_use: InUse = setting(
        "what is done about volumes that such a node reported in use: nothing, unless the "
        "out-of-service taint is set (never); fenced volumes are taken once the device has shut "
        "the node out (fenced); or all are, as Kubernetes does after six minutes, though two nodes "
        "may then write to one volume (always)",
        lambda text: InUse(choice(*(one.value for one in InUse))(text)),
        InUse.NEVER,
    )
    force_detach: float = setting("seconds after which that is done", seconds(10, _DAY), 360.0)
    unused: float = setting(
        "seconds after which a volume is taken from a node that is Ready, and does not report it "
        "in use",
        seconds(60, _DAY),
        900.0,
    )
    stuck: float = setting(
        "seconds after which external-attacher's finalizer is taken from a VolumeAttachment that "
        "is being deleted, and is detached",
        seconds(1, _DAY),
        30.0,
    )
    half_state: float = setting(
        "seconds after which people are told of a volume that is half made, or gone",
        seconds(0, _DAY),
        120.0,
    )
    fencing_grace: float = setting(
        "seconds after which fencing is made to match the attachments", seconds(5, _DAY), 30.0
    )
    migration: float = setting(
        "seconds that a live migration may take where its volume does not say",
        seconds(1, _DAY),
        300.0,
    )
    max_lost_percent: int = setting(
        "with a larger share of the nodes NotReady, or deleted, volumes are not taken from them, "
        "since it is rather the cluster that is ill; 100 takes them all the same, unless no node "
        "is left",
        integer(0, 100),
        50,
    )
    orphan_grace: float = setting(
        "seconds after which something on a device that nothing refers to counts as an orphan",
        seconds(60, 365 * _DAY),
        _DAY,
    )
    orphans_dry_run: bool = setting(
        "whether orphans are only reported, but for those that somebody approved",
        switch,
        default=True,
    )
    max_orphans: int = setting(
        "with more orphans than this to remove in a pass, none is", integer(0, 1000), 10
    )
    max_orphans_percent: int = setting(
        "nor with a larger share of what a device has", integer(0, 100), 10
    )
    max_orphans_hourly: int = setting(
        "how many orphans may be removed in an hour", integer(0, 10_000), 30
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

    @property
    def controller_tls(self) -> TlsFiles | None:
        """What the controller is called with; None for no TLS."""
        cert, key = self.controller_tls_cert, self.controller_tls_key
        authority = self.controller_tls_ca
        if cert is None or key is None or authority is None:
            return None
        return TlsFiles(cert, key, authority)

    @property
    def rules(self) -> Rules:
        """What decides."""
        return Rules(
            driver=self.driver_name,
            max_age=self.max_age,
            max_device_age=self.max_device_age,
            node_gone=self.node_gone,
            out_of_service=self.out_of_service,
            not_ready=self.not_ready,
            in_use=self.not_ready_in_use,
            force_detach=self.force_detach,
            unused=self.unused,
            stuck=self.stuck,
            half_state=self.half_state,
            fencing=self.fencing_grace,
            migration=self.migration,
            max_lost_percent=self.max_lost_percent,
            orphan=self.orphan_grace,
            orphans_dry_run=self.orphans_dry_run,
            max_orphans=self.max_orphans,
            max_orphans_percent=self.max_orphans_percent,
            max_orphans_hourly=self.max_orphans_hourly,
        )

    def __post_init__(self) -> None:
        problems = list(self.admin.problems())
        if not self.lease_seconds > self.lease_deadline > self.lease_retry:
            names = ", ".join(map(flag, ("lease_seconds", "lease_deadline", "lease_retry")))
            problems.append(f"{names}: each must be longer than the next")
        given = [self.controller_tls_cert, self.controller_tls_key, self.controller_tls_ca]
        if any(given) and not all(given):
            problems.append(
                f"{flag('controller_tls_cert')}, {flag('controller_tls_key')} and "
                f"{flag('controller_tls_ca')} are needed together"
            )
        where = self.controller_endpoint
        open_to_others = isinstance(where, TcpAddress) and not where.is_loopback
        if open_to_others and not any(given) and not self.controller_insecure:
            problems.append(
                f"{flag('controller_tls_cert')}, {flag('controller_tls_key')} and "
                f"{flag('controller_tls_ca')} are required for a controller on another machine "
                f"(or, for experiments, {flag('controller_insecure')}=true)"
            )
        if problems:
            raise ValueError("\n".join(problems))
