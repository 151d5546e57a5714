"""DH-CHAP with the assembled node plugin, on a kernel that has it at both ends (Linux 6.12)."""

import base64
import zlib
from collections.abc import Awaitable, Callable

from grpclib.const import Status

from libs.core.ids import Nqn
from tests.component.node.rig import mounted, write_safely
from tests.vm.inside.plugin import VmRig, error_of, nqn_of
from tests.vm.inside.rig import until
from tests.vm.inside.writing import fill, sum_of
from tests.vm.nvmet import CONFIG, MIB, Nvmet

ANOTHER = nqn_of("pvc-another")


def secret_of(key: bytes) -> str:
    """Return a key in the form that both ends take: base64 of it and its CRC-32."""
    summed = key + zlib.crc32(key).to_bytes(4, "little")
    return f"DHHC-1:00:{base64.b64encode(summed).decode()}:"


RIGHT, WRONG = secret_of(b"r" * 32), secret_of(b"w" * 32)


def export_to(node: VmRig, target: Nvmet) -> None:
    """Export the volume to the node, which has to show that it knows the secret."""
    file = node.settings.nvme_directory / "hostnqn"
    host = Nqn(file.read_text().strip())
    target.export(nqn_of(), 64 * MIB, host=host)
    # `nvmet_host_dhchap_key` in drivers/nvme/target/configfs.c of Linux.
    (CONFIG / "nvmet" / "hosts" / host.text / "dhchap_key").write_text(RIGHT)


async def stage(node: VmRig, secret: str) -> None:
    await node.stage(mounted(), volume_context={"auth": "dhchap"}, secrets={"nvmeSecret": secret})


async def refusal_of(call: Callable[[], Awaitable[None]]) -> tuple[Status, str]:
    """Call until it is said why that fails, as the kubelet does.

    At times Linux 6.12's target cuts a host before it has told it that it failed, and the host
    waits for a minute (see tests/vm/plan.py).
    """
    while True:
        status, text = await error_of(call())
        if "the kernel has not connected" not in text:
            return status, text


async def test_with_the_right_secret_the_volume_has_what_was_written_to_it(
    node: VmRig, target: Nvmet
) -> None:
    export_to(node, target)

    await stage(node, RIGHT)
    written = fill(await node.publish() / "data")
    await node.unpublish()
    await node.unstage()
    await stage(node, RIGHT)
    found = sum_of(await node.publish() / "data")

    assert found == written


async def test_with_a_wrong_secret_the_call_says_so_and_leaves_nothing(
    node: VmRig, target: Nvmet
) -> None:
    export_to(node, target)

    status, text = await refusal_of(lambda: stage(node, WRONG))
    connections = await node.desk.fabrics.list_connections()
    await node.unstage()

    assert status is Status.UNAVAILABLE
    assert "check that both sides have the same secret" in text
    assert connections == []
    assert node.leftovers() == []


async def test_without_a_secret_the_call_says_that_one_is_demanded(
    node: VmRig, target: Nvmet
) -> None:
    export_to(node, target)

    status, text = await refusal_of(node.stage)
    connections = await node.desk.fabrics.list_connections()
    await node.unstage()

    assert status is Status.UNAVAILABLE
    assert "it demands authentication" in text
    assert connections == []
    assert node.leftovers() == []


async def test_a_secret_that_came_right_is_enough_for_the_retry(node: VmRig, target: Nvmet) -> None:
    export_to(node, target)

    await refusal_of(lambda: stage(node, WRONG))
    await stage(node, RIGHT)

    assert await node.wrong() == ""


async def test_a_controller_that_the_kernel_drops_at_once_is_connected_again_with_its_secret(
    node: VmRig, target: Nvmet
) -> None:
    export_to(node, target)
    target.export(ANOTHER)  # so that the port goes on listening, and refuses
    await stage(node, RIGHT)
    path = await node.publish()
    write_safely(path / "data", "kept")

    # Linux 6.12 gives up a controller whose reconnect is refused, whatever `ctrl_loss_tmo` says.
    target.unlink(nqn_of())
    await until(node.is_given_up)
    during = await node.wrong()
    target.link(nqn_of())
    after = await node.wrong_after_round()

    assert during == "the volume is not connected to this node"
    assert after == ""
    assert (path / "data").read_text() == "kept"


async def test_a_host_whose_secret_was_changed_is_not_connected_again_before_it_has_the_new_one(
    node: VmRig, target: Nvmet
) -> None:
    export_to(node, target)
    target.export(ANOTHER)
    await stage(node, RIGHT)
    await node.publish()
    [host] = (CONFIG / "nvmet" / "hosts").iterdir()

    (host / "dhchap_key").write_text(WRONG)
    target.unlink(nqn_of())
    await until(node.is_given_up)
    target.link(nqn_of())
    during = await node.wrong_after_round()
    (host / "dhchap_key").write_text(RIGHT)
    after = await node.wrong_after_round()

    assert during == "the volume is not connected to this node"
    assert after == ""
