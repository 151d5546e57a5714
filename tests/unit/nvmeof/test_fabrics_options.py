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
from libs.nvmeof.fabrics_options import HOPELESS, explain, parse_answer, render_options
from libs.nvmeof.model import Target

NQN = Nqn("nqn.2000-02.com.mikrotik:pvc-a")
HOST = Nqn("nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111")
UUID = "11111111-1111-4111-8111-111111111111"
TARGET = Target(NQN, "10.0.0.1", 4420)
SECRET = "DHHC-1:00:" + "ab12" * 11 + ":"
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


def test_the_kernel_is_told_all_it_needs_in_its_own_words() -> None:
    target = replace(TARGET, port=4421, ctrl_loss=600, keep_alive=7, secret=Secret(SECRET))

    assert render(target) == {
        "nqn": NQN.text,
        "transport": "tcp",
        "traddr": "10.0.0.1",
        "trsvcid": "4421",
        "hostnqn": HOST.text,
        "hostid": UUID,
        "nr_io_queues": "4",
        "ctrl_loss_tmo": "600",
        "reconnect_delay": "5",
        "keep_alive_tmo": "7",
        "dhchap_secret": SECRET,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("port", value) for value in (1, 65535)),
        *(("ctrl_loss", value) for value in (-1, 2**31 - 1)),
        *(("reconnect_delay", value) for value in (1, 2**31 - 1)),
        *(("keep_alive", value) for value in (0, 2**31 - 1)),
    ],
)
def test_the_ends_of_a_range_are_taken(field: str, value: int) -> None:
    options = render(replace(TARGET, **{field: value}))  # type: ignore[arg-type]

    assert not value or str(value) in options.values()


@pytest.mark.parametrize(
    "secret",
    [
        "DHHC-1:00:" + "a" * 43 + "=:",
        "DHHC-1:03:" + "a" * 96 + "==:",
        "DHHC-1:01:" + "a+/9" * 11 + ":",
    ],
)
def test_a_secret_of_each_length_is_taken(secret: str) -> None:
    assert render(replace(TARGET, secret=Secret(secret)))["dhchap_secret"] == secret


@pytest.mark.parametrize(
    "secret",
    [
        "DHHC-1:04:" + "a" * 43 + ":",
        "DHHC-1:00:" + "a" * 42 + ":",
        "DHHC-1:00:" + "a" * 97 + ":",
        "DHHC-1:00:" + "a" * 43 + "===:",
        SECRET + "\n",
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(InvalidRequest, match="DH-CHAP secret must be of the form") as refused:
        render(replace(TARGET, secret=Secret(secret)))

    assert "aaa" not in str(refused.value)


def test_errors_that_a_second_try_does_not_mend_are_told_from_those_that_it_may() -> None:
    once = {"EINVAL", "ENOKEY", "EKEYREJECTED", "EACCES", "EPERM", "EPROTO"}

    assert {errno.errorcode[number] for number in HOPELESS} == once


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
    ("target", "rule"),
    [
        (replace(TARGET, port=0), "the port must be 1 to 65535, not 0"),
        (replace(TARGET, port=65536), "the port must be 1 to 65535, not 65536"),
        (replace(TARGET, ctrl_loss=-2), "^ctrl_loss must be at least -1"),
        (replace(TARGET, ctrl_loss=2**31), "^ctrl_loss must be"),
        (replace(TARGET, reconnect_delay=0), "^reconnect_delay must be at least 1"),
        (replace(TARGET, keep_alive=-1), "^keep_alive must be at least 0"),
        (replace(TARGET, secret=Secret("DHHC-1:00:short:")), "secret must be"),
        (replace(TARGET, secret=Secret("")), "secret must be"),
    ],
)
def test_a_value_out_of_its_range_is_refused(target: Target, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule):
        render(target)


def test_the_answer_names_the_controller() -> None:
    assert parse_answer("instance=12,cntlid=3\n") == "nvme12"
    assert parse_answer("instance=7,cntlid=3\n") == "nvme7"
    assert parse_answer("instance=007,cntlid=65519") == "nvme7"
    assert parse_answer("instance=123456789,cntlid=0 \n") == "nvme123456789"


@pytest.mark.parametrize(
    "text",
    [
        *("", "instance=-1,cntlid=-1", "instance=1", "x", "instance=1,cntlid="),
        *("instance=1234567890,cntlid=1", "instance=1,cntlid=1,more"),
    ],
)
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
