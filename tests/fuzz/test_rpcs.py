"""Every RPC answers nonsense with a code that says whose fault it is, and its service lives on."""

from pathlib import Path

import pytest

from protos.gen.csi import v1 as csi
from tests.fuzz.rpcs import OPENERS, call, connected, mapping_of, open_controller, run

CALLS = 200


@pytest.mark.slow
@pytest.mark.parametrize("service", OPENERS)
async def test_no_request_is_taken_for_an_error_of_ours(service: str, tmp_path: Path) -> None:
    tally = await run(service, tmp_path / "it", seed=3, most=CALLS)

    assert tally.wrong == []
    assert tally.calls >= CALLS - 1
    assert {code for _, code in tally.codes} >= {"OK", "INVALID_ARGUMENT"}


async def test_every_rpc_refuses_what_is_no_message_and_what_has_fields_of_other_types(
    tmp_path: Path,
) -> None:
    no_message = b"\xff\xff\xff"  # cut off in the middle of a field's number
    no_text = b"\x0a\x01\xff"
    number_for_the_first_field = b"\x08\x01"
    asking = mapping_of(csi.IdentityBase)
    taking_a_text = {
        "/csi.v1.Controller/CreateVolume",
        "/csi.v1.Controller/DeleteVolume",
        "/csi.v1.Controller/ControllerPublishVolume",
        "/csi.v1.Controller/DeleteSnapshot",
    }
    async with open_controller(tmp_path / "it") as (edge, _):
        broken = {await call(edge, method, no_message) for method in edge.methods}
        wrong = {
            await call(edge, method, data)
            for method in taking_a_text
            for data in (number_for_the_first_field, no_text)
        }
        alive = {await call(edge, method, b"") for method in asking}

    assert {status.name for status in broken} <= {"INVALID_ARGUMENT", "OK"}  # some have no fields
    assert {status.name for status in wrong} == {"INVALID_ARGUMENT"}
    assert {status.name for status in alive} == {"OK"}


async def test_a_method_that_there_is_not_is_unimplemented(tmp_path: Path) -> None:
    async with open_controller(tmp_path / "it") as (edge, _):
        other = mapping_of(csi.NodeBase)
        async with connected(tmp_path / "it" / "csi.sock", "as a node", csi.NodeBase) as node:
            statuses = {await call(node, method, b"") for method in other}
        alive = await call(edge, "/csi.v1.Identity/Probe", b"")

    assert {status.name for status in statuses} == {"UNIMPLEMENTED"}
    assert alive.name == "OK"
