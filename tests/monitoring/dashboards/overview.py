"""For the one who is on duty: is everything all right, and if not, where?"""

from tests.monitoring.dashboards.calls import CALLS
from tests.monitoring.dashboards.panels import (
    AMBER,
    GREEN,
    RED,
    Dashboard,
    Panel,
    Query,
    Section,
)

_LEADING = "and on (instance) rds_csi_leader == 1"
_OPEN = 'state=~"backing-off|held-back|for-people"'

_STATE = Section(
    "Now",
    (
        Panel(
            "stat",
            "Device",
            "Whether any controller is connected to it. Mounted volumes do not depend on this.",
            [Query("max by (device) (rds_csi_rds_connection_state)", "{{device}}")],
            width=4,
            height=4,
            steps=((RED, None), (GREEN, 1)),
            words={0: "away", 1: "connected"},
        ),
        Panel(
            "stat",
            "Leaders",
            "Replicas of the reconciler that act: 1, always.",
            [Query("sum(rds_csi_leader) or vector(0)")],
            width=4,
            height=4,
            steps=((RED, None), (GREEN, 1), (RED, 2)),
        ),
        Panel(
            "stat",
            "Alerts",
            "Alerts of this driver that fire now; each has a runbook.",
            [Query('count(ALERTS{alertname=~"RdsCsi.*", alertstate="firing"}) or vector(0)')],
            width=4,
            height=4,
            steps=((GREEN, None), (RED, 1)),
        ),
        Panel(
            "stat",
            "Findings that do not clear",
            "What the reconciler could not mend, holds back, or leaves to people: rdsctl findings.",
            [
                Query(
                    f"sum(rds_csi_reconciler_findings{{{_OPEN}}} {_LEADING}) or vector(0)",
                )
            ],
            width=4,
            height=4,
            steps=((GREEN, None), (AMBER, 1)),
        ),
        Panel(
            "stat",
            "Volumes attached",
            "Volumes that are attached to a node, each once.",
            [Query("max(rds_csi_nvme_connections_active)")],
            width=4,
            height=4,
        ),
        Panel(
            "stat",
            "Next certificate ends in",
            "The first of all certificates to end.",
            [Query("min(rds_csi_certificate_expiry_timestamp_seconds) - time()")],
            unit="s",
            width=4,
            height=4,
            steps=((RED, None), (AMBER, 86400), (GREEN, 604800)),
        ),
    ),
)

_REPAIR = Section(
    "Repair",
    (
        Panel(
            "timeseries",
            "Findings",
            "What is not as it should be, by kind and by what becomes of it.",
            [
                Query(
                    f"sum by (kind, state) (rds_csi_reconciler_findings {_LEADING})",
                    "{{kind}}, {{state}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "timeseries",
            "Actions",
            "What the reconciler did within five minutes, by result.",
            [
                Query(
                    "sum by (kind, result) (increase(rds_csi_reconciler_actions_total[5m]))",
                    "{{kind}} {{result}}",
                )
            ],
        ),
        Panel(
            "timeseries",
            "Since the last whole pass",
            "Seconds since all was known and every action succeeded; a pass runs every 5 minutes.",
            [
                Query(
                    "time() - max(rds_csi_reconciler_last_successful_pass_timestamp_seconds)",
                    "seconds",
                )
            ],
            unit="s",
        ),
    ),
)

_NODES = Section(
    "Nodes",
    (
        Panel(
            "timeseries",
            "Mounts and unmounts",
            "By node and result, within five minutes.",
            [
                Query(
                    "sum by (instance, operation, result) "
                    "(increase(rds_csi_mount_operations_total[5m]))",
                    "{{instance}} {{operation}} {{result}}",
                )
            ],
        ),
        Panel(
            "timeseries",
            "NVMe/TCP connects",
            "By node and result, within five minutes.",
            [
                Query(
                    "sum by (instance, result) (increase(rds_csi_nvme_connects_total[5m]))",
                    "{{instance}} {{result}}",
                )
            ],
        ),
        Panel(
            "timeseries",
            "Stale mounts",
            "Found, and what came of the repair, within five minutes.",
            [
                Query(
                    "sum by (instance) (increase(rds_csi_stale_mounts_detected_total[5m]))",
                    "{{instance}} found",
                ),
                Query(
                    "sum by (instance, result) (increase(rds_csi_stale_recoveries_total[5m]))",
                    "{{instance}} {{result}}",
                ),
            ],
        ),
    ),
)

_PROCESSES = Section(
    "Processes",
    (
        Panel(
            "timeseries",
            "Event loop lag, 99 %",
            "Above a quarter of a second something blocks the process; its log says what.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (job, instance, le) (rate("
                    "rds_csi_event_loop_lag_seconds_bucket[$__rate_interval])))",
                    "{{job}} {{instance}}",
                )
            ],
            unit="s",
        ),
        Panel(
            "timeseries",
            "Memory",
            "Resident memory.",
            [
                Query(
                    "process_resident_memory_bytes "
                    "and on (instance) rds_csi_event_loop_stuck_total",
                    "{{job}} {{instance}}",
                )
            ],
            unit="bytes",
        ),
        Panel(
            "timeseries",
            "CPU",
            "Seconds of CPU a second: 1 is a whole core.",
            [
                Query(
                    "rate(process_cpu_seconds_total[$__rate_interval]) "
                    "and on (instance) rds_csi_event_loop_stuck_total",
                    "{{job}} {{instance}}",
                )
            ],
        ),
    ),
)

_ALERTS = Section(
    "Alerts",
    (
        Panel(
            "table",
            "Pending and firing",
            "Each has a section in docs/runbooks.md.",
            [Query('ALERTS{alertname=~"RdsCsi.*"}')],
            width=24,
            height=6,
            columns={
                "alertname": "Alert",
                "alertstate": "State",
                "severity": "Severity",
                "device": "Device",
                "slot": "Disk",
                "pool": "Pool",
                "kind": "Finding",
                "operation": "Call",
                "instance": "At",
            },
        ),
    ),
)

OVERVIEW = Dashboard(
    "rds-csi-overview",
    "RDS CSI: overview",
    "Whether storage works, and where it does not.",
    (_STATE, CALLS, _REPAIR, _NODES, _PROCESSES, _ALERTS),
)
