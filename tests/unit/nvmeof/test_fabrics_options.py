"""What is written to the kernel to connect: no value can be more than one option."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import ConnectFailed
from libs.nvmeof.fabrics_options import explain, parse_answer, render_options
from libs.nvmeof.model import Target

NQN = Nqn("nqn.2000-02.com.mikrotik:pvc-a")
HOST = Nqn("nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111")
UUID = "11111111-1111-4111-8111-111111111111"
TARGET = Target(NQN, "10.0.0.1", 4420)
KEYS = {
    "nqn",
    "transport",
    "traddr",
    "trsvcid",
    "hostnqn",
    "hostid",
    "nr_io_queues",
    "ctrl_loss_tmo",
    "reconnect_delay",
}


def render(target: Target = TARGET, traddr: str = "10.0.0.1") -> dict[str, str]:
    text = render_options(target, traddr, HOST, UUID, 4)
    return dict(part.split("=", 1) for part in text.split(","))


def test_a_lost_connection_is_tried_again_for_ever_unless_something_else_is_said() -> None:
    assert render()["ctrl_loss_tmo"] == "-1"
    assert render(replace(TARGET, ctrl_loss=600))["ctrl_loss_tmo"] == "600"


def test_the_kernels_own_keep_alive_is_left_alone_and_never_switched_off() -> None:
    assert "keep_alive_tmo" not in render()
    assert render(replace(TARGET, keep_alive=30))["keep_alive_tmo"] == "30"


def test_an_ipv6_address_is_passed_as_it_is() -> None:
    assert render(traddr="fd00::1")["traddr"] == "fd00::1"


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60))
def test_no_value_adds_or_replaces_an_option(nqn: str, traddr: str, secret: str) -> None:
    target = replace(TARGET, nqn=Nqn(nqn), secret=Secret(secret))

    try:
        options = render(target, traddr)
    except InvalidRequest:
        return
    assert options.keys() == KEYS | {"dhchap_secret"}


@pytest.mark.parametrize("nqn", ["nqn.a,duplicate_connect", "nqn.a\nb", "nqn.a b", "nqn.ä"])
def test_an_nqn_that_would_break_out_is_refused(nqn: str) -> None:
    with pytest.raises(InvalidRequest, match="nqn must be printable"):
        render(replace(TARGET, nqn=Nqn(nqn)))


@pytest.mark.parametrize("traddr", ["rds.example.com", "10.0.0.1,discovery", "", "10.0.0.256"])
def test_an_address_that_is_none_is_refused(traddr: str) -> None:
    with pytest.raises(InvalidRequest, match="IP address"):
        render(traddr=traddr)


@pytest.mark.parametrize(
    "target",
    [
        replace(TARGET, port=0),
        replace(TARGET, port=65536),
        replace(TARGET, ctrl_loss=-2),
        replace(TARGET, reconnect_delay=0),
        replace(TARGET, keep_alive=-1),
        replace(TARGET, secret=Secret("DHHC-1:00:short:")),
        replace(TARGET, secret=Secret("")),
    ],
)
def test_a_value_out_of_its_range_is_refused(target: Target) -> None:
    with pytest.raises(InvalidRequest):
        render(target)


def test_the_answer_names_the_controller() -> None:
    assert parse_answer("instance=12,cntlid=3\n") == "nvme12"


@pytest.mark.parametrize("text", ["", "instance=-1,cntlid=-1", "instance=1", "x"])
def test_an_answer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConnectFailed):
        parse_answer(text)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EIO, "host's NQN is among those that it allows"),
        (errno.ECONNREFUSED, "nothing listens"),
        (errno.ETIMEDOUT, "check the route"),
        (errno.EAGAIN, "then says nothing"),
        (errno.EINVAL, "nvme-tcp is loaded"),
        (errno.ENOKEY, "demands authentication"),
        (errno.EKEYREJECTED, "same secret"),
        (errno.EXDEV, "failed (EXDEV): see its log"),
        (4095, "failed (4095): see its log"),
    ],
)
def test_an_error_says_what_to_check(number: int, advice: str) -> None:
    assert advice in explain(number)
