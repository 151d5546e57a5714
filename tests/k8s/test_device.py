"""The script that sets a device up: as far as that can be said without RouterOS."""

import re

import pytest

from rdsctl.preflight.device_checks import CHOSEN_NQN
from services.controller.config import ControllerSettings
from tests.k8s.render import K8S

SCRIPT = (K8S / "device" / "setup.rsc").read_text()
CODE = "\n".join(line for line in SCRIPT.splitlines() if not line.lstrip().startswith("#"))
WITHOUT_TEXTS = re.sub(r'"[^"]*"', '""', CODE)
COMMANDS = {
    "/disk/find",
    "/disk/get",
    "/file/add",
    "/file/find",
    "/ip/service/get",
    "/system/package/find",
    "/system/resource/get",
    "/user/add",
    "/user/find",
    "/user/group/add",
    "/user/group/find",
    "/user/group/set",
    "/user/set",
    "/user/ssh-keys/find",
    "/user/ssh-keys/import",
}
CHANGES = ("/file/add", "/user/add", "/user/set", "/user/group/add", "/user/ssh-keys/import")


@pytest.mark.parametrize("pair", ["{}", "[]", "()"])
def test_what_is_opened_is_closed(pair: str) -> None:
    depth, lowest = 0, 0
    for character in WITHOUT_TEXTS:
        depth += (character == pair[0]) - (character == pair[1])
        lowest = min(lowest, depth)

    assert (depth, lowest) == (0, 0)


def test_every_text_ends_on_its_line() -> None:
    odd = [line for line in CODE.splitlines() if line.count('"') % 2]

    assert odd == []


def test_every_variable_is_declared_before_it_is_used() -> None:
    declared: set[str] = set()
    unknown = []
    for line in CODE.splitlines():
        unknown += [name for name in re.findall(r"\$(\w+)", line) if name not in declared]
        declared |= set(re.findall(r":local (\w+)", line))

    assert unknown == []


def test_no_variable_has_the_name_of_a_property_that_it_is_compared_with() -> None:
    # In RouterOS `where name=$name` compares the property with itself.
    assert [pair for pair in re.findall(r"([\w-]+)=\$(\w+)", CODE) if pair[0] == pair[1]] == []


def test_it_does_nothing_but_what_the_page_says() -> None:
    used = set(re.findall(r"(?<![\w$\"])(/[a-z-]+(?:/[a-z-]+)+)", WITHOUT_TEXTS))

    assert used == COMMANDS


def test_everything_is_checked_before_anything_is_changed() -> None:
    last_check = CODE.rindex(":error")

    assert all(CODE.index(change) > last_check for change in CHANGES)


def test_the_user_gets_the_rights_that_the_page_names_and_the_name_that_is_the_default() -> None:
    page = (K8S.parent / "docs" / "install.md").read_text()
    (rights,) = re.findall(r':local rights "([a-z,]+)"', SCRIPT)

    assert rights == "ssh,read,write,test"
    assert all(f"`{right}`" in page for right in rights.split(","))
    assert f':local userName "{ControllerSettings.rds_user}"' in SCRIPT


def test_it_refuses_the_releases_whose_exports_nodes_refuse() -> None:
    (oldest,) = re.findall(r":if \(\$release < (\d+)\) do=\{\s*:error", SCRIPT)

    assert int(oldest) == CHOSEN_NQN.major * 100 + CHOSEN_NQN.minor
