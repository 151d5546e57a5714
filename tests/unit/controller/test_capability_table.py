"""The page on capabilities says what the controller advertises."""

import re
from pathlib import Path

import pytest

from protos.gen.csi import v1 as csi
from services.controller.servicer import CAPABILITIES

PAGE = (Path(__file__).parents[3] / "docs/capabilities.md").read_text()
ROWS = dict(re.findall(r"^\| `([A-Z_.a-z]+)` \| ([^|]+?) \|", PAGE, re.MULTILINE))

_Rpc = csi.ControllerServiceCapabilityRpcType


@pytest.mark.parametrize("kind", [kind for kind in _Rpc if kind is not _Rpc.UNKNOWN])
def test_every_capability_of_the_contract_is_in_the_table(kind: _Rpc) -> None:
    assert ROWS[str(kind.name)] == ("yes" if kind in CAPABILITIES else "no")


@pytest.mark.parametrize(
    "name", ["CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS", "GROUP_CONTROLLER_SERVICE"]
)
def test_every_service_of_the_contract_is_in_the_table(name: str) -> None:
    assert name in csi.PluginCapabilityServiceType.__members__
    assert name in ROWS
