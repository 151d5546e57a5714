"""Finding, rescanning, disconnecting, authentication; and the kernel's files themselves."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.core.errors import InvalidRequest, Unreachable
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import ConnectFailed, HostHangs, HostUnable
from libs.nvmeof.fabrics_connect import Connector, FabricsFile
from libs.nvmeof.fabrics_tree import NvmeTree
from libs.nvmeof.model import LinkState
from libs.nvmeof.offload import Offload
from tests.component.nvmeof.fabrics_kernel import (
    HOST,
    NQN,
    PREFIX,
    QUICK,
    TARGET,
    Kernel,
    running_kernel,
)
from tests.waiting import until

OTHER = Nqn(f"{PREFIX}:pvc-b")
KEY = "c2VjcmV0" * 6
LOCKED = replace(TARGET, secret=Secret(f"DHHC-1:00:{KEY}:"))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with running_kernel(tmp_path) as kernel:
        yield kernel


async def test_a_connection_is_found_with_its_state_and_device(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.set_state(0, "resetting")

    found = await kernel.fabrics().find(NQN)

    assert found is not None
    assert (found.state, found.controllers) == (LinkState.CONNECTING, ("nvme0",))
    assert found.device is not None


async def test_a_connection_that_was_not_there_a_moment_ago_is_found(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    before = await fabrics.find(NQN)

    kernel.attach(NQN.text)
    after = await fabrics.find(NQN)

    assert before is None
    assert after is not None


async def test_a_number_that_is_another_subsystems_by_now_is_never_given(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    kernel.attach(NQN.text)
    first = await fabrics.find(NQN)

    kernel.detach(0)
    kernel.attach(OTHER.text)
    second = await fabrics.find(NQN)
    kernel.attach(NQN.text)
    third = await fabrics.find(NQN)

    assert first is not None
    assert first.device is not None
    assert first.device.number == (259, 0)
    assert second is None
    assert third is not None
    assert third.device is not None
    assert third.device.number == (259, 1)


async def test_a_disk_that_has_grown_is_never_shown_with_its_old_size(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    number = kernel.attach(NQN.text)
    await fabrics.find(NQN)

    (kernel.subsystem(number) / "nvme0n1" / "size").write_text("4096\n")
    found = await fabrics.find(NQN)

    assert found is not None
    assert found.device is not None
    assert found.device.size == 4096 * 512


async def test_only_managed_connections_are_listed(kernel: Kernel) -> None:
    kernel.attach("nqn.2014-08.com.example:disk")
    kernel.attach(OTHER.text)
    kernel.attach(NQN.text, disk=False)

    listed = await kernel.fabrics().list_connections()

    assert {(c.nqn, c.device is None) for c in listed} == {(OTHER.text, False), (NQN.text, True)}


async def test_a_sysfs_that_cannot_be_read_is_not_one_without_connections(kernel: Kernel) -> None:
    (kernel.subsystem(0) / "subsysnqn").mkdir(parents=True)

    with pytest.raises(Unreachable):
        await kernel.fabrics().find(NQN)


async def test_a_rescan_asks_the_controllers_of_that_subsystem_alone(kernel: Kernel) -> None:
    kernel.attach(OTHER.text)
    kernel.attach(NQN.text)

    await kernel.fabrics().rescan(NQN)
    await kernel.fabrics().ensure_disconnected(NQN)  # the requests are obeyed one after another

    assert kernel.rescanned == ["nvme1"]


async def test_what_is_not_connected_cannot_be_rescanned(kernel: Kernel) -> None:
    with pytest.raises(ConnectFailed):
        await kernel.fabrics().rescan(NQN)


async def test_a_disconnect_takes_down_every_controller_of_the_subsystem(kernel: Kernel) -> None:
    fabrics = kernel.fabrics()
    for nqn in (NQN.text, OTHER.text, NQN.text):
        kernel.attach(nqn)

    await fabrics.ensure_disconnected(NQN)

    assert sorted(kernel.deleted) == ["nvme0", "nvme2"]
    assert await fabrics.find(NQN) is None
    assert kernel.places(OTHER.text) == [1]


async def test_to_disconnect_what_is_not_connected_is_a_success(kernel: Kernel) -> None:
    await kernel.fabrics().ensure_disconnected(NQN)

    assert kernel.deleted == []


async def test_a_kernel_that_does_not_disconnect_is_not_said_to_have(kernel: Kernel) -> None:
    kernel.attach(NQN.text)
    kernel.does.deletes_hang = True

    with pytest.raises(HostHangs, match="has not disconnected"):
        await kernel.fabrics(replace(QUICK, disconnect=0.2)).ensure_disconnected(NQN)

    assert kernel.deleted == ["nvme0"]


async def test_a_controller_that_is_another_subsystems_by_now_is_not_written_to(
    kernel: Kernel,
) -> None:
    kernel.attach(OTHER.text)

    written = NvmeTree(kernel.sys, kernel.dev).write(NQN.text, "nvme0", "delete_controller")
    await kernel.fabrics().rescan(OTHER)
    await kernel.fabrics().ensure_disconnected(OTHER)

    assert not written
    assert kernel.deleted == ["nvme0"]


async def test_a_kernel_without_authentication_is_found_out_and_disconnected(
    kernel: Kernel,
) -> None:
    with pytest.raises(HostUnable, match="without DH-CHAP"):
        await kernel.fabrics().ensure_connected(LOCKED)

    await until(lambda: kernel.deleted == ["nvme0"])
    assert kernel.options[0]["dhchap_secret"] == f"DHHC-1:00:{KEY}:"


async def test_what_was_connected_before_is_refused_and_not_disconnected(kernel: Kernel) -> None:
    kernel.attach(NQN.text)

    with pytest.raises(HostUnable):
        await kernel.fabrics().ensure_connected(LOCKED)

    assert kernel.deleted == []


def test_a_controller_that_has_gone_says_nothing_about_the_kernel(kernel: Kernel) -> None:
    number = kernel.attach(NQN.text)
    tree = NvmeTree(kernel.sys, kernel.dev)

    before = tree.lacks_attribute("nvme0", "dhchap_secret")
    kernel.detach(number)
    after = tree.lacks_attribute("nvme0", "dhchap_secret")

    assert (before, after) == (True, False)


async def test_a_kernel_with_authentication_connects(kernel: Kernel) -> None:
    kernel.does.authenticates = True

    device = await kernel.fabrics().ensure_connected(LOCKED)

    assert device.number == (259, 0)


@pytest.mark.parametrize("refusals", [[5] * 9, [22], []])
async def test_a_secret_is_in_no_error_and_no_log(
    kernel: Kernel, caplog: pytest.LogCaptureFixture, refusals: list[int]
) -> None:
    kernel.does.refusals = refusals
    caplog.set_level(logging.DEBUG)

    with capture_logs() as logs, pytest.raises((ConnectFailed, HostUnable)) as caught:
        await kernel.fabrics().ensure_connected(LOCKED)

    said = f"{logs} {caplog.text} {caught.value.message} {caught.value.detail} {caught.getrepr()}"
    assert KEY not in said
    assert KEY in kernel.options[0]["dhchap_secret"]


async def test_a_secret_that_is_not_one_is_refused_without_being_shown(kernel: Kernel) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await kernel.fabrics().ensure_connected(replace(TARGET, secret=Secret("hunter2,a=b")))

    assert "hunter2" not in caught.value.message
    assert kernel.options == []


async def test_a_host_whose_kernel_cannot_connect_is_told_so_at_the_start(kernel: Kernel) -> None:
    kernel.does.missing = True

    with pytest.raises(HostUnable):
        await kernel.fabrics().check_can_connect()


async def test_a_host_that_can_connect_passes(kernel: Kernel) -> None:
    assert await kernel.fabrics().check_can_connect() is None  # type: ignore[func-returns-value]


def test_a_missing_file_of_the_kernel_is_explained(tmp_path: Path) -> None:
    with pytest.raises(HostUnable, match="load the kernel module nvme-tcp"):
        FabricsFile(tmp_path / "nvme-fabrics").check()


def test_a_regular_file_is_not_mistaken_for_the_kernels(tmp_path: Path) -> None:
    path = tmp_path / "nvme-fabrics"
    path.write_text("")

    with pytest.raises(HostUnable, match="is no device"):
        FabricsFile(path).connect("nqn=a")

    assert path.read_text() == ""


async def test_an_answer_that_makes_no_sense_is_no_connection() -> None:
    connector = Connector(FabricsFile(Path("/dev/null")), HOST, 4, 1, Offload())

    with pytest.raises(ConnectFailed, match="no answer that makes sense"):
        await connector.connect(TARGET, 0, limit=5)
