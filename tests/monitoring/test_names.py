"""Rules and dashboards use what the code registers, so that a rename cannot blind them."""

import re

import pytest

from services.reconciler.findings import FindingKind, FindingState
from tests.monitoring.expressions import expressions
from tests.monitoring.promql import read_use
from tests.monitoring.registered import registered

METRICS = registered()
ALL = dict(expressions())

TARGET = {"instance", "job"}
"""Labels that Prometheus adds to what it scrapes."""

OTHERS = {
    "ALERTS": {"alertname", "alertstate"},
    "kubelet_volume_stats_used_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_inodes_used": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_inodes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_health_status_abnormal": {"namespace", "persistentvolumeclaim"},
    "kube_persistentvolume_info": {"persistentvolume", "csi_driver", "csi_volume_handle"},
    "kube_persistentvolume_claim_ref": {"persistentvolume", "claim_namespace", "name"},
    "kube_volumeattachment_info": {"volumeattachment", "node"},
    "kube_volumeattachment_spec_source_persistentvolume": {"volumeattachment", "volumename"},
}
"""Metrics of Prometheus, the kubelet and kube-state-metrics, as their documentation has them."""

VALUES = {
    ("rds_csi_reconciler_findings", "kind"): {kind.value for kind in FindingKind},
    ("rds_csi_reconciler_findings", "state"): {state.value for state in FindingState},
}
"""Labels whose values are fixed in the code."""


def labels_of(name: str) -> set[str]:
    if name in OTHERS:
        return OTHERS[name] | TARGET
    return set(METRICS[name].labels) | TARGET


@pytest.mark.parametrize("where", ALL)
def test_every_metric_is_one_that_the_code_registers(where: str) -> None:
    used = read_use(ALL[where])

    assert used.names
    assert used.names - METRICS.keys() - OTHERS.keys() == set()


@pytest.mark.parametrize("where", ALL)
def test_every_label_is_one_that_its_metric_has(where: str) -> None:
    used = read_use(ALL[where])

    known = set[str]().union(*(labels_of(name) for name in used.names))
    unknown = {
        (name, label) for name, asked in used.metrics for label in asked.keys() - labels_of(name)
    }

    assert unknown == set()
    assert used.labels - known == set()


@pytest.mark.parametrize("where", ALL)
def test_every_value_of_a_fixed_label_is_one_that_it_can_have(where: str) -> None:
    asked = [
        (VALUES[name, label], re.split(r"\|", value.lstrip("=~!")))
        for name, labels in read_use(ALL[where]).metrics
        for label, value in labels.items()
        if (name, label) in VALUES
    ]

    strange = [
        pattern
        for values, patterns in asked
        for pattern in patterns
        if not any(re.fullmatch(pattern, value) for value in values)
    ]

    assert strange == []


def test_counters_are_only_used_as_rates() -> None:
    bare = [
        (where, name)
        for where, expr in ALL.items()
        for name in read_use(expr).names
        if name in METRICS
        and METRICS[name].kind in {"counter", "read_counter", "histogram"}
        and re.search(rf"{name}(\{{[^}}]*\}})?(?!\w|\{{|\[)", expr)
        and f"and on (instance) {name}" not in expr  # only whether it is there
    ]

    assert bare == []


def test_names_labels_and_values_are_read_from_an_expression() -> None:
    expr = (
        "histogram_quantile(0.9, sum by (device, le) (rate(a_bucket"
        '{x="y}", z=~"p|q"}[$__rate_interval]))) and on (instance) b offset 5m unless sum(c) > 1e3'
    )

    used = read_use(expr)

    assert used.metrics == [("a_bucket", {"x": "=y}", "z": "=~p|q"}), ("b", {}), ("c", {})]
    assert used.labels == {"device", "le", "instance"}


def test_what_the_code_registers_is_found_with_its_labels() -> None:
    found = {
        name: sorted(METRICS[name].labels)
        for name in (
            "rds_csi_volume_operations_total",
            "rds_csi_rds_queue_wait_seconds_bucket",
            "rds_pool_free_bytes",
            "rds_csi_reconciler_paused",
            "process_open_fds",
            "rds_csi_rds_health_source_up",
        )
    }

    assert found == {
        "rds_csi_volume_operations_total": ["code", "operation", "status"],
        "rds_csi_rds_queue_wait_seconds_bucket": ["device", "le"],
        "rds_pool_free_bytes": ["device", "pool"],
        "rds_csi_reconciler_paused": [],
        "process_open_fds": [],
        "rds_csi_rds_health_source_up": ["device", "source"],
    }
