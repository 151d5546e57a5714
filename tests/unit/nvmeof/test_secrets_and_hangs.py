"""Small rules of the host side: the secret of a connection, what blkid prints, tools that hang."""

from dataclasses import replace

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import HostHangs
from libs.nvmeof.fabrics_options import render_options
from libs.nvmeof.fsplan import parse_blkid
from libs.nvmeof.model import Target

HOST = Nqn("nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111")
TARGET = Target(Nqn("nqn.2000-02.com.mikrotik:pvc-a"), "10.0.0.1", 4420)
SECRET = "DHHC-1:00:" + "ab12" * 11 + ":"


@pytest.mark.parametrize(("secret", "parts"), [(None, 0), (Secret(SECRET), 1)])
def test_a_secret_is_passed_where_there_is_one(secret: Secret | None, parts: int) -> None:
    text = render_options(replace(TARGET, secret=secret), "10.0.0.1", HOST, "id", 1)

    assert text.split(",").count(f"dhchap_secret={SECRET}") == parts


def test_a_value_of_blkid_with_half_a_quote_is_taken_as_it_is() -> None:
    assert parse_blkid(0, "TYPE='ext4\n") == ("'ext4", "")


def test_a_value_of_blkid_loses_the_quotes_around_it() -> None:
    assert parse_blkid(0, "TYPE=ext4\nPTTYPE='gpt'\n") == ("ext4", "a partition table (gpt)")


def test_a_tool_that_cannot_be_killed_is_told_by_its_process() -> None:
    error = HostHangs("the host does not answer", detail="mkfs", pid=7)

    assert isinstance(error, Unreachable)
    assert (error.message, error.detail, error.pid) == ("the host does not answer", "mkfs", 7)
    assert HostHangs("the host does not answer").pid == 0
