"""CSI calls and what became of them, as a section of the overview."""

from tests.monitoring.dashboards.panels import (
    Panel,
    Query,
    Section,
)

CALLS = Section(
    "CSI calls",
    (
        Panel(
            "timeseries",
            "Calls",
            "Calls a second by method, of controller and nodes.",
            [
                Query(
                    "sum by (operation) (rate(rds_csi_volume_operations_total[$__rate_interval]))",
                    "{{operation}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            "timeseries",
            "Calls that fail",
            "ABORTED and UNAVAILABLE are tried again by whoever called; others end in an event.",
            [
                Query(
                    "sum by (operation, code) (rate(rds_csi_volume_operations_total"
                    '{status="failure"}[$__rate_interval]))',
                    "{{operation}} {{code}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            "timeseries",
            "Duration, 95 %",
            "How long nineteen calls in twenty took at most, by method.",
            [
                Query(
                    "histogram_quantile(0.95, sum by (operation, le) (rate("
                    "rds_csi_volume_operation_duration_seconds_bucket[$__rate_interval])))",
                    "{{operation}}",
                )
            ],
            unit="s",
        ),
        Panel(
            "timeseries",
            "Attachments",
            "Publications to nodes, and volumes taken from them.",
            [
                Query(
                    "sum by (status) (rate(rds_csi_attachment_attach_total[$__rate_interval]))",
                    "attach {{status}}",
                ),
                Query(
                    "sum by (status) (rate(rds_csi_attachment_detach_total[$__rate_interval]))",
                    "detach {{status}}",
                ),
                Query(
                    "sum(rate(rds_csi_attachment_conflicts_total[$__rate_interval]))", "conflict"
                ),
            ],
            unit="reqps",
        ),
        Panel(
            "timeseries",
            "Calls in hand",
            "Calls that a process works on now. Many of them for long: look at the device.",
            [Query("sum by (job) (rds_csi_calls_in_flight)", "{{job}}")],
        ),
        Panel(
            "timeseries",
            "Live migrations",
            "Volumes that two nodes have, and migrations that ended in the last hour.",
            [
                Query("max(rds_csi_migration_active_migrations)", "under way"),
                Query(
                    "sum by (result) (increase(rds_csi_migration_migrations_total[1h]))",
                    "{{result}}",
                ),
            ],
        ),
    ),
)
