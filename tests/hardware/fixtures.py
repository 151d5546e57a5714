"""Makes files of a transcript's answers, as tests and the simulator's makers read them.

Each answer that has listings becomes `NAME.txt`, as the device printed it, and `commands.json` says
what each was the answer to. It also says in which properties the simulator differs. Run it as
`python -m tests.hardware.fixtures TRANSCRIPT DIRECTORY`.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.rdsclient.commands import SUBVOLUME, Command
from libs.rdsclient.listing import CHANGED, END, Item
from libs.rdsclient.replies import listings
from tests.hardware.tape import FORM

INDEX = "commands.json"

_JSON = ":put [:serialize to=json"
_MENU = re.compile(r"(/[a-z/-]+)/print detail")
_TEXT = f':put "{END}"'


@dataclass(frozen=True)
class Fixture:
    """A recorded answer.

    Attributes:
        name: of its file, without the ending.
        line: what was sent.
        answer: what was printed.
        listings: how many listings it has.
        json: in which form.
        release: of the device.
    """

    name: str
    line: str
    answer: str
    listings: int
    json: bool
    release: str = ""

    @property
    def command(self) -> Command:
        changes = f':put "{CHANGED}"' in self.line
        return Command(self.line, changes=changes, listings=self.listings, json=self.json)

    def items(self) -> tuple[list[Item], ...]:
        """Read it as the driver does.

        Raises:
            RdsCsiError: it cannot.
        """
        return listings(self.answer, self.command)


def fixtures_of(transcript: Mapping[str, Any]) -> tuple[Fixture, ...]:
    """Return the answers of a transcript that have listings, each form of a question once.

    Raises:
        InvalidRequest: it is no transcript that this version reads.
    """
    if transcript.get("form") != FORM:
        raise InvalidRequest(f"it is no transcript of form {FORM}")
    release = str(transcript.get("device", {}).get("release", ""))
    return tuple(_fixtures(transcript["exchanges"], release))


def _fixtures(exchanges: list[dict[str, Any]], release: str) -> Iterator[Fixture]:
    counts: dict[str, int] = {}
    for exchange in exchanges:
        line, answer = str(exchange["line"]), str(exchange["answer"])
        as_json, as_text = line.count(_JSON), line.count(_TEXT)
        # Where several share an exec, or there is no answer, it is not known what belongs to what.
        if exchange["failure"] or bool(as_json) == bool(as_text) or ":onerror" in line:
            continue
        question = str(exchange["question"]) or "start"
        counts[question] = counts.get(question, 0) + 1
        name = f"{question}-{counts[question]}"
        yield Fixture(name, line, answer, as_json or as_text, bool(as_json), release)


def save(fixtures: tuple[Fixture, ...], directory: Path) -> None:
    """Write them into a directory, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    index = []
    for fixture in fixtures:
        (directory / f"{fixture.name}.txt").write_text(fixture.answer, newline="")
        index.append({k: v for k, v in asdict(fixture).items() if k != "answer"})
    (directory / INDEX).write_text(json.dumps(index, indent=1) + "\n")


def load(directory: Path) -> tuple[Fixture, ...]:
    """Read what `save` wrote."""
    found = []
    for entry in json.loads((directory / INDEX).read_text()):
        with (directory / f"{entry['name']}.txt").open(newline="") as file:
            found.append(Fixture(answer=file.read(), **entry))
    return tuple(found)


def shapes(fixtures: Iterable[Fixture]) -> dict[str, set[str]]:
    """Return which properties things have, by menu and type; of what can be read."""
    found: dict[str, set[str]] = {}
    for fixture in fixtures:
        with contextlib.suppress(RdsCsiError):
            menus = _MENU.findall(fixture.line)
            for menu, items in zip(menus[-fixture.listings :], fixture.items(), strict=True):
                for item in items:
                    kind = f"{menu} {item['type']}" if menu == "/disk" else menu
                    found.setdefault(kind, set()).update(item)
    return found


def compare(recorded: Mapping[str, set[str]], simulated: Mapping[str, set[str]]) -> Iterator[str]:
    """Say in which properties a device and the simulator differ, as far as both have the thing."""
    for kind in sorted(recorded.keys() & simulated.keys()):
        lacking = sorted(recorded[kind] - simulated[kind])
        invented = sorted(simulated[kind] - recorded[kind])
        if lacking:
            yield f"{kind}: the simulator lacks {', '.join(lacking)}"
        if invented:
            yield f"{kind}: only the simulator has {', '.join(invented)}"


def simulated_shapes() -> dict[str, set[str]]:
    """Return the properties of what the simulator lists."""
    device = Device([Pool("tank", 2**40, "btrfs")])
    device.add_subvolume("tank", "a", "", read_only=False)
    device.add_disk({"type": "file", "slot": "a", "file-path": "/tank/a/a.img", "file-size": 4096})
    found: dict[str, set[str]] = {}
    for item in device.list_disks():
        found.setdefault(f"/disk {item['type']}", set()).update(item)
    found["/file"] = {name for item in device.list_files() for name in item}
    found[SUBVOLUME] = {name for item in device.list_subvolumes() for name in item}
    return found


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        fixtures = fixtures_of(json.loads(Path(argv[0]).read_text()))
    except (OSError, ValueError, KeyError, InvalidRequest) as error:
        sys.stderr.write(f"{argv[0]}: {error}\n")
        return 2
    save(fixtures, Path(argv[1]))
    sys.stdout.write(f"{len(fixtures)} answers are in {argv[1]}\n")
    for line in compare(shapes(fixtures), simulated_shapes()):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
