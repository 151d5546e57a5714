"""The CSIDriver object that ships, and the page on capabilities, say what the plugin does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.nvmeof.mountopts import parse_options
from protos.gen.csi import v1 as csi
from services.controller.servicer import CAPABILITIES as CONTROLLER
from services.node.config import NodeSettings
from services.node.servicer import CAPABILITIES

ROOT = Path(__file__).parents[3]
DRIVER: dict[str, Any] = yaml.safe_load((ROOT / "k8s/base/csidriver.yaml").read_text())
PAGE = (ROOT / "docs/capabilities.md").read_text()
NODE_PAGE = PAGE.partition("## Node")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+?) \|", NODE_PAGE, re.MULTILINE))

_Rpc = csi.NodeServiceCapabilityRpcType


@pytest.mark.parametrize("kind", [kind for kind in _Rpc if kind is not _Rpc.UNKNOWN])
def test_every_capability_of_the_contract_is_in_the_table(kind: _Rpc) -> None:
    assert ROWS[str(kind.name)] == ("yes" if kind in CAPABILITIES else "no")


def test_the_kubelet_sets_the_group_because_the_plugin_does_not() -> None:
    assert DRIVER["spec"]["fsGroupPolicy"] == "File"
    assert _Rpc.VOLUME_MOUNT_GROUP not in CAPABILITIES


def test_an_selinux_context_that_the_kubelet_gives_is_taken_as_it_is() -> None:
    context = 'context="system_u:object_r:container_file_t:s0:c10,c20"'

    assert DRIVER["spec"]["seLinuxMount"] is True
    assert parse_options([context], "mount_flags") == (context,)


def test_volumes_are_attached_because_the_controller_publishes_them() -> None:
    publishes = csi.ControllerServiceCapabilityRpcType.PUBLISH_UNPUBLISH_VOLUME in CONTROLLER

    assert DRIVER["spec"]["attachRequired"] == publishes


def test_the_object_is_of_the_driver_that_the_plugin_is_by_default() -> None:
    assert DRIVER["metadata"]["name"] == NodeSettings.driver_name
