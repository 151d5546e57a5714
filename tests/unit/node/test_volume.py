"""What a record keeps through a restart of the plugin."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.csikit.capability import Mode
from libs.nvmeof.model import Target
from services.node.volume import Publication, Record, Use
from tests.unit.node.values import NQN, RECORD, STAGING, TARGETS, USE, records

texts = st.text(max_size=8)
targets = st.builds(
    Target,
    st.just(NQN),
    texts,
    *[st.integers(-1, 99_999)] * 4,
)
kept = st.builds(
    lambda record, target, words, size, begun, boot: replace(
        record,
        use=replace(record.use, target=target, mkfs_options=words, size=size),
        begun=begun,
        boot=boot,
    ),
    records,
    targets,
    st.lists(texts, max_size=3).map(tuple),
    st.none() | st.integers(1, 2**63),
    st.none() | st.uuids(),
    texts,
)
garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(kept)
def test_what_was_written_is_read_back(record: Record) -> None:
    text = json.dumps(record.to_json())

    assert Record.from_json(json.loads(text)) == record


@settings(max_examples=200)
@given(kept, st.data(), garbage)
def test_a_spoilt_record_is_told_from_a_record(
    record: Record, data: st.DataObject, wrong: Any
) -> None:
    values = record.to_json()
    key = data.draw(st.sampled_from(sorted(values)))
    if data.draw(st.booleans()):
        del values[key]
    else:
        values[key] = wrong

    try:
        found = Record.from_json(values)
    except (KeyError, TypeError, ValueError, InvalidRequest):
        return
    assert isinstance(found, Record)


def test_a_secret_is_never_written_down() -> None:
    target = replace(USE.target, secret=Secret("DHHC-1:00:hidden:"))

    assert "hidden" not in json.dumps(Record(replace(USE, target=target)).to_json())


def test_a_path_is_published_once() -> None:
    record = RECORD.with_publication(Publication(TARGETS[0]))
    record = record.with_publication(Publication(TARGETS[1]))
    record = record.with_publication(Publication(TARGETS[0], read_only=True))

    assert record.paths == (STAGING, TARGETS[1], TARGETS[0])
    assert record.at(TARGETS[0]) == Publication(TARGETS[0], read_only=True)
    assert record.without(TARGETS[0]).at(TARGETS[0]) is None


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({"options": ("b", "a")}, True),
        ({"size": 1}, True),
        ({"options": ("a",)}, False),
        ({"fs_type": "xfs"}, False),
        ({"staging": "/k/other"}, False),
        ({"mode": Mode.SINGLE_NODE_READER_ONLY}, False),
        ({"target": replace(USE.target, nqn=Nqn(f"{NQN}x"))}, False),
        ({"target": replace(USE.target, address="192.0.2.9")}, True),
    ],
)
def test_a_retry_agrees_and_another_request_does_not(
    changes: dict[str, Any], *, agrees: bool
) -> None:
    use = replace(USE, options=("a", "b"))

    assert use.agrees_with(replace(use, **changes)) is agrees


def test_what_is_not_said_of_a_volume_is_not_so() -> None:
    use = Use(volume=USE.volume, target=USE.target, staging=STAGING, fs_type="ext4")

    assert use == Use(
        volume=USE.volume,
        target=USE.target,
        staging=STAGING,
        fs_type="ext4",
        options=(),
        mkfs_options=(),
        mode=Mode.SINGLE_NODE_WRITER,
        size=None,
        authenticated=False,
    )
    assert Record(use) == Record(use, None, (), boot="", attachment="", is_marked=False)


@pytest.mark.parametrize(
    ("mode", "options", "read_only", "shared"),
    [
        (Mode.SINGLE_NODE_WRITER, (), False, False),
        (Mode.SINGLE_NODE_WRITER, ("noatime", "ro"), True, False),
        (Mode.SINGLE_NODE_READER_ONLY, (), True, False),
        (Mode.MULTI_NODE_READER_ONLY, (), True, True),
        (Mode.MULTI_NODE_MULTI_WRITER, (), False, False),
    ],
)
def test_a_volume_is_only_read_by_its_mode_or_its_options(
    mode: Mode, options: tuple[str, ...], *, read_only: bool, shared: bool
) -> None:
    use = replace(USE, mode=mode, options=options)

    assert (use.is_read_only, use.is_shared) == (read_only, shared)


WHOLE = Record(
    replace(
        USE,
        target=Target(NQN, "192.0.2.1", 4421, 60, 7, 9),
        options=("noatime",),
        mkfs_options=("-m", "0"),
        mode=Mode.MULTI_NODE_READER_ONLY,
        authenticated=True,
    ),
    UUID(int=1),
    (Publication(TARGETS[0], read_only=True),),
    "boot-1",
    "uid-1",
    is_marked=True,
)
WRITTEN = {
    "volume": "pvc-1",
    "nqn": NQN.text,
    "address": "192.0.2.1",
    "port": 4421,
    "ctrl_loss": 60,
    "reconnect_delay": 7,
    "keep_alive": 9,
    "staging": STAGING,
    "fs_type": "ext4",
    "options": ["noatime"],
    "mkfs_options": ["-m", "0"],
    "mode": 3,
    "size": 1 << 30,
    "authenticated": True,
    "begun": "00000000-0000-0000-0000-000000000001",
    "boot": "boot-1",
    "attachment": "uid-1",
    "is_marked": True,
    "publications": [[TARGETS[0], True]],
}


def test_a_record_is_written_as_the_next_release_will_read_it() -> None:
    assert WHOLE.to_json() == WRITTEN
    assert Record.from_json(WRITTEN) == WHOLE


NEEDED = {
    *("volume", "nqn", "address", "port", "staging", "fs_type", "options", "mode", "publications"),
}
"""Without these nobody could say what is there. A field that is new must not be one of them."""


@pytest.mark.parametrize("key", sorted(NEEDED))
def test_what_says_where_a_volume_is_and_how_must_be_in_its_record(key: str) -> None:
    with pytest.raises(KeyError):
        Record.from_json({name: value for name, value in WRITTEN.items() if name != key})


def test_a_record_of_an_older_plugin_is_read_with_what_goes_without_saying() -> None:
    use = replace(
        WHOLE.use,
        target=Target(NQN, "192.0.2.1", 4421),
        mkfs_options=(),
        size=None,
        authenticated=False,
    )

    assert Record.from_json({key: WRITTEN[key] for key in NEEDED}) == Record(
        use, publications=WHOLE.publications
    )


def test_a_record_of_a_newer_plugin_is_read_without_what_nobody_knows_here() -> None:
    assert Record.from_json({**WRITTEN, "colour": "blue"}) == WHOLE


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("address", 1),
        ("staging", None),
        ("boot", 1),
        ("port", "4420"),
        ("size", 1.5),
        ("mode", "5"),
    ],
)
def test_a_value_of_the_wrong_kind_makes_no_record(key: str, wrong: object) -> None:
    with pytest.raises(TypeError):
        Record.from_json({**WRITTEN, key: wrong})
