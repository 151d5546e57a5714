"""Whatever is put into a command, the device sees the same command with another value in it."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, Slot, VolumeId
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.mockrds.parser import parse
from libs.mockrds.syntax import Literal
from libs.rdsclient import commands, images
from libs.rdsclient.batch import join_commands
from libs.rdsclient.commands import Command
from libs.rdsclient.model import Branch, DiskSpec
from tests.strategies.device import LATEST

SLOT = Slot.parse("pvc-1")
PATH = DevicePath.parse("/tank/volumes/pvc-1/volume.img")
HARMLESS = "harmless"

hostile = st.text() | st.sampled_from(
    [
        '"; /disk/remove [find]; :put "',
        "$x",
        "[/system/reset]",
        "}{",
        "\\",
        '\\"',
        "\n/disk/remove 0",
    ]
)

FREE_TEXT: dict[str, Callable[[str], Command]] = {
    "host": lambda text: commands.set_allowed_host(LATEST, SLOT, text),
    "password": lambda text: commands.set_password(LATEST, SLOT, Secret(text)),
    "pool": lambda text: commands.read_pool(LATEST, text),
    "label": lambda text: images.freeze_branch(LATEST, SLOT, Branch(text, "volumes/a", "b")),
    "subvolume": lambda text: images.freeze_branch(LATEST, SLOT, Branch("tank", text, "b")),
    "parent": lambda text: images.freeze_branch(LATEST, SLOT, Branch("tank", "s", text or "x")),
    "removed": lambda text: images.remove_branch(LATEST, SLOT, PATH, Branch("tank", text)),
}


def shape(node: object) -> object:
    """Return a parsed line without the values in it."""
    if isinstance(node, Literal):
        return "value" if isinstance(node.value, str) else node.value
    if isinstance(node, tuple):
        return tuple(shape(part) for part in node)
    if dataclasses.is_dataclass(node):
        fields = dataclasses.fields(node)
        return type(node).__name__, tuple(
            shape(getattr(node, field.name)) for field in fields if field.name != "column"
        )
    return node


@pytest.mark.parametrize("verb", FREE_TEXT)
@given(text=hostile)
def test_free_text_stays_one_value_alone_and_in_a_batch(verb: str, text: str) -> None:
    build = FREE_TEXT[verb]
    try:
        command = build(text)
    except InvalidRequest:
        assert any("\ud800" <= character <= "\udfff" for character in text)
        return

    harmless = build(HARMLESS)

    assert shape(parse(command.line)) == shape(parse(harmless.line))
    together = [join_commands([one, Command(":put 1")]) for one in (command, harmless)]
    assert shape(parse(together[0])) == shape(parse(together[1]))
    assert not command.secret or command.secret not in command.shown


@given(text=hostile, base=st.sampled_from(["/raid10", "/raid10/volumes/"]))
def test_names_and_paths_are_values_or_refused(text: str, base: str) -> None:
    made: list[Slot] = []
    builders: tuple[Callable[[], Slot], ...] = (
        lambda: Slot.parse(text),
        lambda: VolumeId.parse(text).slot,
        lambda: VolumeId.from_name(text).slot,
    )
    for build in builders:
        try:
            made.append(build())
        except InvalidRequest:
            continue
    for slot in made:
        path = DevicePath.parse(base).image_of(slot)
        spec = DiskSpec(slot, path, 4096, Nqn.parse("nqn.2000-02.com.mikrotik:x"), 4420)
        plain = DiskSpec(SLOT, DevicePath.parse(base).image_of(SLOT), 4096, spec.nqn, 4420)

        verbs: tuple[Callable[[DiskSpec], Command], ...] = (
            lambda s: images.create_disk(LATEST, s),
            lambda s: images.remove_disk(LATEST, s.slot, s.path, None, copied=False),
            lambda s: images.copy_image(LATEST, s.slot, s.path, s.path, 1),
        )
        for verb in verbs:
            assert shape(parse(verb(spec).line)) == shape(parse(verb(plain).line))
