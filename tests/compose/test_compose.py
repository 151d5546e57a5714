"""The images, and the system that docker-compose.yml makes of them, on a real engine."""

import json
import re
from pathlib import Path

import pytest

from tests.compose.stack import IMAGES, SERVICES, Stack, facts, in_image, inspect, run

pytestmark = [
    pytest.mark.timeout(900),  # the first test waits for the images
    pytest.mark.usefixtures("built"),
]

LIMIT_MB = 320
SERVER_PACKAGES: dict[str, set[str]] = {
    "controller": {"asyncssh", "kubernetes_asyncio", "aioprometheus"},
    "node": {"aioprometheus"},
    "reconciler": {"aioprometheus", "rich"},
    "mock-rds": {"asyncssh"},
    "mock-kube": set(),
    "demo": {"asyncssh", "rich"},
}
TELLING = {"asyncssh", "kubernetes_asyncio", "aioprometheus", "rich", "pytest", "ruff", "hatchling"}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_the_packages_of_its_service_and_no_others(name: str) -> None:
    found = facts(name)["packages"]

    assert set(found) & TELLING == SERVER_PACKAGES[name]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_slim_and_says_what_it_is(name: str) -> None:
    found = inspect(name)

    labels = found["Config"]["Labels"]
    assert found["Size"] < LIMIT_MB * 1e6
    assert labels["org.opencontainers.image.title"] == f"rds-csi-{name}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("name", IMAGES)
def test_only_what_mounts_filesystems_runs_as_root(name: str) -> None:
    user = facts(name)["uid"]

    assert user == (0 if name == "node" else 65532)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_its_bytecode_so_that_it_starts_without_compiling(name: str) -> None:
    found = facts(name)

    assert found["compiled"] == found["sources"] > 0


def test_the_node_image_has_the_tools_that_the_plugin_and_people_use() -> None:
    tools = "mount umount blkid losetup mkfs.ext4 e2fsck resize2fs mkfs.xfs xfs_repair xfs_growfs"
    tools += " mkfs.btrfs btrfs nvme"

    found = in_image("node", "sh", "-c", f"for it in {tools}; do command -v $it; done")

    assert [Path(line).name for line in found.split()] == tools.split()


def test_two_builds_of_one_checkout_hold_the_same_files(built: Stack) -> None:
    sums = "find /opt/rds-csi -type f | LC_ALL=C sort | xargs sha256sum"
    first = in_image("mock-kube", "sh", "-c", sums)

    built.compose("build", "--quiet", "--no-cache", "kubernetes", limit=300)

    assert in_image("mock-kube", "sh", "-c", sums) == first


def test_the_locks_hold_for_arm64_as_well(tmp_path: Path) -> None:
    locks = [f"--requirement=images/locks/{name}.txt" for name in [*IMAGES, "build"]]
    tags = [f"--platform={one}_aarch64" for one in ("manylinux_2_28", "manylinux2014")]

    run(
        ".venv/bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
        *tags, "--python-version=3.13", "--implementation=cp", f"--dest={tmp_path}", *locks,
        limit=300, environment={"PIP_FIND_LINKS": ""},
    )  # fmt: skip

    names = [path.name for path in tmp_path.iterdir()]
    assert [name for name in names if "aarch64" in name]
    assert [name for name in names if "x86_64" in name] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_gets_healthy(stack: Stack, name: str) -> None:
    state = stack.states()[name]

    assert (state["State"], state["Health"]) == ("running", "healthy")


def test_a_volume_lives_its_whole_life(stack: Stack) -> None:
    shown = stack.demo()

    assert "unchanged" in shown
    assert "the device is empty" in shown
    print(shown)  # noqa: T201 (for whoever reads what CI did)


def test_a_volume_outlives_a_restart_of_everything(stack: Stack) -> None:
    stack.demo("--part=first", "--run=restarted")

    # All but the API's stand-in, which has what a real one keeps in etcd.
    for name in SERVICES:
        if name != "kubernetes":
            stack.compose("restart", "--timeout=10", name)
    stack.up()
    shown = stack.demo("--part=second", "--run=restarted")

    assert "unchanged" in shown
    assert "the device is empty" in shown


def test_everybody_finds_the_cluster_again_after_its_restart(stack: Stack) -> None:
    stack.compose("restart", "--timeout=10", "kubernetes")

    stack.up()
    shown = stack.demo("--part=all")

    assert "the device is empty" in shown


def test_a_volume_outlives_the_death_of_everything(stack: Stack) -> None:
    stack.demo("--part=first", "--run=killed")

    stack.compose("kill", "mock-rds", "controller", "node", "reconciler")
    stack.up()
    shown = stack.demo("--part=second", "--run=killed")

    assert "unchanged" in shown


def test_prometheus_reads_every_service_and_the_alert_rules(stack: Stack) -> None:
    up = json.loads(stack.get("RDS_CSI_PROMETHEUS_PORT", "/api/v1/query?query=up"))
    rules = json.loads(stack.get("RDS_CSI_PROMETHEUS_PORT", "/api/v1/rules"))

    found = {one["metric"]["job"]: one["value"][1] for one in up["data"]["result"]}
    assert found == {f"rds-csi-{name}": "1" for name in ("controller", "node", "reconciler")}
    assert rules["data"]["groups"]


def test_nothing_listens_but_on_localhost(stack: Stack) -> None:
    published = [
        (name, one["URL"])
        for name, state in stack.states().items()
        for one in state["Publishers"] or []
        if one["PublishedPort"]
    ]

    assert len(published) == 4
    assert {address for _, address in published} == {"127.0.0.1"}


def test_nobody_without_a_certificate_of_the_authority_is_listened_to(stack: Stack) -> None:
    words = "rdsctl --endpoint reconciler:9443 --plaintext --timeout 5 status; echo code $?"

    shown = stack.compose("run", "--rm", "--no-TTY", "--entrypoint=sh", "demo", "-c", words)

    assert re.search(r"code [1-9]", shown)


def test_services_that_are_told_to_end_do_so_at_once_and_well(stack: Stack) -> None:
    stack.compose("stop", "--timeout=20", "controller", "node", "reconciler", limit=90)

    codes = {name: stack.states()[name]["ExitCode"] for name in SERVICES}

    assert {codes[name] for name in ("controller", "node", "reconciler")} == {0}
    stack.up()


@pytest.mark.parametrize("profiles", ["simulated,grafana", "kernel,demo-kernel", "k3s", "demo,*"])
def test_the_compose_file_makes_sense_with_each_profile(profiles: str) -> None:
    warned = run(
        "docker", "compose", "config", "--quiet", environment={"COMPOSE_PROFILES": profiles}
    )

    assert warned == ""


def test_nothing_is_left_when_it_is_taken_down(stack: Stack) -> None:
    stack.down()

    volumes = run("docker", "volume", "ls", "--quiet", "--filter=name=rds-csi_")
    containers = run("docker", "ps", "--all", "--quiet", "--filter=name=rds-csi-")
    files = run("losetup", "--list", "--noheadings", "--output=BACK-FILE")

    assert (volumes, containers) == ("", "")
    assert "/rds-csi-disks/" not in files
