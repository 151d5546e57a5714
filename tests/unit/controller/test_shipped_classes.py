"""The classes that ship are ones that the controller takes."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.core.paths import DevicePath
from services.controller.requests.parameters import parse_changes, parse_parameters
from tests.unit.controller.values import SETTINGS

FILE = Path(__file__).parents[3] / "k8s/base/storageclasses.yaml"
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text()))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [item for item in OBJECTS if item["kind"] == kind]


def name_of(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


@pytest.mark.parametrize("item", of_kind("StorageClass"), ids=name_of)
def test_a_storage_class_is_understood(item: dict[str, Any]) -> None:
    base = DevicePath.parse(item["parameters"].get("volumePath", "/raid10/volumes"))
    settings = dataclasses.replace(SETTINGS, volume_base_paths=(base,))

    parameters = parse_parameters(item["parameters"], settings)

    assert item["provisioner"] == settings.driver_name
    assert parameters.directory == base
    assert parameters.layout.value == item["parameters"].get("layout", "file")


@pytest.mark.parametrize("item", of_kind("VolumeAttributesClass"), ids=name_of)
def test_an_attributes_class_is_understood(item: dict[str, Any]) -> None:
    changes = parse_changes(item["parameters"], SETTINGS)

    assert changes.reconnect == item["parameters"]


def test_a_class_for_each_layout_and_one_for_snapshots_ship() -> None:
    assert {name_of(item) for item in of_kind("StorageClass")} == {"rds", "rds-subvolume"}
    assert len(of_kind("VolumeSnapshotClass")) == 1
