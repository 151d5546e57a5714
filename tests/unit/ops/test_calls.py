from enum import Enum

import pytest

from libs.ops.calls import AdminCalls, VolumeOperations
from libs.ops.metrics import Metrics
from tests.unit.ops.scrape import Labels, parse_scrape

OPERATIONS = "rds_csi_volume_operations_total"
SECONDS = "rds_csi_volume_operation_duration_seconds"


class Code(Enum):
    OK = 0
    ABORTED = 10


def samples(metrics: Metrics, name: str) -> dict[Labels, float]:
    families = parse_scrape(metrics.render()[0].decode())
    return {
        labels: number
        for family in families.values()
        for (sample, labels), number in family.samples.items()
        if sample == name
    }


def labels(**values: str) -> Labels:
    return tuple(sorted(values.items()))


def test_calls_are_counted_by_method_end_and_code() -> None:
    metrics = Metrics()
    operations = VolumeOperations(metrics)

    operations.finished("/csi.v1.Controller/CreateVolume", Code.OK, 0.2)
    operations.finished("/csi.v1.Controller/CreateVolume", Code.OK, 0.3)
    operations.finished("/csi.v1.Controller/CreateVolume", Code.ABORTED, 0.1)

    assert samples(metrics, OPERATIONS) == {
        labels(operation="CreateVolume", status="success", code="OK"): 2,
        labels(operation="CreateVolume", status="failure", code="ABORTED"): 1,
    }
    operation = labels(operation="CreateVolume")
    assert samples(metrics, f"{SECONDS}_count")[operation] == 3
    assert samples(metrics, f"{SECONDS}_sum")[operation] == pytest.approx(0.6)


@pytest.mark.parametrize("method", ["Probe", "GetPluginInfo"])
def test_what_probes_ask_is_not_counted(method: str) -> None:
    metrics = Metrics()

    VolumeOperations(metrics).finished(f"/csi.v1.Identity/{method}", Code.OK, 0.001)

    assert samples(metrics, OPERATIONS) == {}


def test_calls_in_hand_are_read_when_somebody_looks() -> None:
    metrics, calls = Metrics(), [0]
    VolumeOperations(metrics).show_in_flight(lambda: calls[0])

    before = samples(metrics, "rds_csi_calls_in_flight")
    calls[0] = 7
    after = samples(metrics, "rds_csi_calls_in_flight")

    assert (before, after) == ({(): 0}, {(): 7})


def test_a_watch_of_the_admin_api_is_counted_and_its_length_is_not() -> None:
    metrics = Metrics()
    admin = AdminCalls(metrics)

    admin.finished("/rdscsi.controller.v1.ControllerAdmin/Detach", Code.OK, 0.2)
    admin.finished("/rdscsi.controller.v1.ControllerAdmin/WatchConnections", Code.ABORTED, 900.0)

    assert samples(metrics, "rds_csi_admin_calls_total") == {
        labels(method="Detach", code="OK"): 1,
        labels(method="WatchConnections", code="ABORTED"): 1,
    }
    assert samples(metrics, "rds_csi_admin_call_duration_seconds_count") == {
        labels(method="Detach"): 1
    }
