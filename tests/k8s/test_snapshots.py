"""The program of the scheduled snapshots, on a stand-in for the API server."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.kube.errors import Forbidden
from libs.mockkube.accounts import Account, parse_rules
from libs.mockkube.testing import TOKEN, ApiServer, running_api
from tests.k8s.render import K8S
from tests.k8s.stand_in import serve_snapshots

COMPONENT = K8S / "components" / "scheduled-snapshots"
GROUP = "/apis/snapshot.storage.k8s.io/v1"
PLACE = f"{GROUP}/namespaces/shop/volumesnapshots"
CLAIMS = "/api/v1/namespaces/shop/persistentvolumeclaims"


def load_program() -> Any:
    """Load the file, which is in no package: a ConfigMap brings it into the pod."""
    spec = importlib.util.spec_from_file_location("snapshots", COMPONENT / "snapshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROGRAM = load_program()


@dataclass
class Shop:
    """A cluster with a namespace in which claims ask for snapshots."""

    api: ApiServer

    async def claim(self, name: str, asks: str = "daily", phase: str = "Bound") -> None:
        labels = {PROGRAM.ASKS: asks} if asks else {}
        metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": labels}
        spec = {"accessModes": ["ReadWriteOnce"]}
        item = {"metadata": metadata, "spec": spec, "status": {"phase": phase}}
        await self.api.put(CLAIMS, item)

    async def snapshot(self, name: str, claim: str, day: int, *, ready: bool = True) -> None:
        labels = {PROGRAM.SCHEDULE: "daily", PROGRAM.OF: f"uid-{claim}"}
        metadata = {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "labels": labels,
            "creationTimestamp": f"2026-01-{day:02}T00:00:00Z",
        }
        await self.api.put(PLACE, {"metadata": metadata, "status": {"readyToUse": ready}})

    def snapshots(self) -> list[str]:
        return sorted(self.api.objects.get(PLACE, {}))

    async def run(self, run: str = "job-1", keep: int = 2) -> int:
        options = PROGRAM.parse(
            [
                "--schedule=daily",
                f"--keep={keep}",
                "--snapshot-class=rds",
                f"--run={run}",
                f"--kubeconfig={self.api.kubeconfig}",
            ]
        )
        return int(await PROGRAM.run(options, {}))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """Give a cluster in which the program has the rights that are shipped for it."""
    roles = yaml.safe_load_all((COMPONENT / "rbac.yaml").read_text())
    (role,) = (item for item in roles if item["kind"] == "ClusterRole")
    async with running_api(tmp_path, namespaces=("shop",)) as api:
        await serve_snapshots(api)
        api.mock.accounts = {TOKEN: Account("snapshots", parse_rules(role["rules"]))}
        yield Shop(api)


async def test_claims_that_ask_get_a_snapshot(shop: Shop) -> None:
    await shop.claim("orders", "hourly.daily")
    await shop.claim("cache", "")
    await shop.claim("logs", "weekly")

    failed = await shop.run()

    assert failed == 0
    assert shop.snapshots() == ["orders-job-1"]
    spec = shop.api.objects[PLACE]["orders-job-1"]["spec"]
    assert spec["source"] == {"persistentVolumeClaimName": "orders"}
    assert spec["volumeSnapshotClassName"] == "rds"


async def test_a_run_that_is_tried_again_takes_no_second_snapshot(shop: Shop) -> None:
    await shop.claim("orders")
    await shop.run()

    failed = await shop.run()

    assert failed == 0
    assert shop.snapshots() == ["orders-job-1"]


async def test_a_claim_without_a_volume_is_left_alone(shop: Shop) -> None:
    await shop.claim("orders", phase="Pending")

    await shop.run()

    assert shop.snapshots() == []


async def test_only_the_newest_stay(shop: Shop) -> None:
    await shop.claim("orders")
    for day in (1, 2, 3, 4):
        await shop.snapshot(f"s{day}", "orders", day)

    await shop.run()

    # The one of this run is not ready yet, and so does not count.
    assert shop.snapshots() == ["orders-job-1", "s3", "s4"]


async def test_while_none_gets_ready_none_is_removed(shop: Shop) -> None:
    await shop.claim("orders")
    await shop.snapshot("s1", "orders", 1)
    for day in (2, 3, 4):
        await shop.snapshot(f"s{day}", "orders", day, ready=False)

    await shop.run(keep=1)

    assert shop.snapshots() == ["orders-job-1", "s1", "s2", "s3", "s4"]


async def test_snapshots_of_a_claim_that_is_gone_stay(shop: Shop) -> None:
    await shop.claim("orders")
    for day in (1, 2, 3):
        await shop.snapshot(f"s{day}", "gone", day)

    await shop.run(keep=1)

    assert shop.snapshots() == ["orders-job-1", "s1", "s2", "s3"]


async def test_what_people_took_stays(shop: Shop) -> None:
    await shop.claim("orders")
    for day in (1, 2, 3):
        await shop.snapshot(f"s{day}", "orders", day)
    by_hand = {"metadata": {"name": "mine", "namespace": "shop"}, "status": {"readyToUse": True}}
    await shop.api.put(PLACE, by_hand)

    await shop.run(keep=1)

    assert shop.snapshots() == ["mine", "orders-job-1", "s3"]


async def test_one_that_fails_does_not_keep_the_others_from_theirs(shop: Shop) -> None:
    await shop.claim("a" * 60)
    await shop.claim("orders")
    shop.api.lost = 1  # the first answer is lost

    failed = await shop.run()

    assert failed == 1
    assert len(shop.snapshots()) == 2


async def test_without_the_right_to_list_it_fails_aloud(shop: Shop) -> None:
    shop.api.mock.accounts = {TOKEN: Account("nobody", ())}

    with pytest.raises(Forbidden):
        await shop.run()


@pytest.mark.parametrize("wrong", ["--keep=0", "--keep=x", "--schedule=Daily", "--schedule=a_b"])
def test_options_that_make_no_sense_are_refused(wrong: str) -> None:
    right = ["--schedule=daily", "--keep=2", "--snapshot-class=rds", "--run=job"]

    with pytest.raises(SystemExit):
        PROGRAM.parse([*right, wrong])


def test_a_long_name_is_cut_to_one_that_kubernetes_takes() -> None:
    claim = {"metadata": {"name": "a" * 240 + "." + "b" * 12, "uid": "u", "namespace": "shop"}}
    options = PROGRAM.Options("daily", 1, "rds", "run-123456789", None)

    name = PROGRAM.render(claim, options)["metadata"]["name"]

    assert len(name) <= 253
    assert ".-" not in name


def test_the_cron_job_calls_it_as_it_can_be_called() -> None:
    job = yaml.safe_load((COMPONENT / "cronjob.yaml").read_text())
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]

    options = PROGRAM.parse(container["args"])

    assert options.keep == 7
    assert options.run == "$(JOB_NAME)"
    assert container["command"][1].endswith("/snapshots.py")
