import dataclasses
import re
from pathlib import Path

import pytest

from libs.core.errors import Exhausted, InvalidRequest, NotFound
from services.controller.sites import Site, Sites, parse_sites
from tests.unit.controller.values import SETTINGS

FILE = """
devices:
  - rds-name: rack2
    rds-address: 192.0.2.12
    nvme-address: 192.0.2.22
    volume-base-paths: [/pool2/volumes, /pool2/other]
    topology: {zone: b}
  - rds-name: rack1
    default: true
    rds-port: 2222
    topology: {zone: a}
"""

ZONES = parse_sites(FILE, SETTINGS)


def test_a_devices_file_says_what_differs_and_which_is_the_default() -> None:
    first, second = ZONES

    assert (first.name, first.suffix, first.settings.rds_port) == ("rack1", "", 2222)
    assert first.settings.rds_address == SETTINGS.rds_address
    assert (second.name, second.suffix) == ("rack2", "rack2")
    assert [str(path) for path in second.settings.volume_base_paths] == [
        "/pool2/volumes",
        "/pool2/other",
    ]
    assert second.topology == {"zone": "b"}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[", ["is not YAML"]),
        ("{}", ["must have a list of devices"]),
        ("devices: []", ["must have a list of devices"]),
        ("devices: [a]", ["devices[0] must be a mapping"]),
        (
            "devices: [{rds-name: a}, {rds-name: a}]",
            ["every device needs a rds-name of its own", "exactly one device must have default"],
        ),
        (
            "devices: [{default: maybe, rds-port: 0, colour: red}]",
            [
                "devices[0].default: must be true or false",
                "devices[0].rds-port: port must be a TCP port",
                "devices[0].colour is not known",
                "devices[0].rds-name is required",
            ],
        ),
    ],
)
def test_all_that_is_wrong_with_a_devices_file_is_said_at_once(
    text: str, problems: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_sites(text, SETTINGS)

    for problem in problems:
        assert problem in str(caught.value)


def test_the_example_of_the_documentation_is_a_devices_file() -> None:
    page = (Path(__file__).parents[3] / "docs/controller.md").read_text()
    (example,) = re.findall(r"```yaml\n(devices:.*?)```", page, re.DOTALL)

    first, second = parse_sites(example, SETTINGS)

    assert (first.suffix, second.suffix) == ("", "rack2")
    assert first.topology == {"topology.example.org/rack": "1"}


def test_a_volume_goes_where_the_parameters_the_source_or_the_topology_say() -> None:
    b = {"zone": "b", "host": "x"}

    assert ZONES.choose({}).name == "rack1"
    assert ZONES.choose({"rds": "rack2"}).name == "rack2"
    assert ZONES.choose({"rdsAddress": "192.0.2.22"}).name == "rack2"
    assert ZONES.choose({}, suffix="rack2").name == "rack2"
    assert ZONES.choose({}, [{"zone": "a"}, b], [b]).name == "rack2"
    assert ZONES.choose({}, [b]).name == "rack2"


def test_what_cannot_be_satisfied_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequest, match=r"parameters\.rds must be one of rack1, rack2"):
        ZONES.choose({"rds": "rack3"})
    with pytest.raises(InvalidRequest, match="is on device rack2, and parameters name another"):
        ZONES.choose({"rds": "rack1"}, suffix="rack2")
    with pytest.raises(Exhausted, match="rack1, rack2 cannot be reached"):
        ZONES.choose({}, [{"zone": "c"}])
    with pytest.raises(Exhausted, match="rack1 cannot be reached"):
        ZONES.choose({"rds": "rack1"}, [{"zone": "b"}])
    with pytest.raises(NotFound, match="no device is named rack9"):
        ZONES.of_suffix("rack9")


def test_a_device_without_a_topology_is_reached_from_everywhere() -> None:
    anywhere = Sites([Site(dataclasses.replace(SETTINGS, topology=()))])

    assert anywhere.choose({}, [{"zone": "z"}], []).suffix == ""
    assert not anywhere.have_topology
