"""What a record keeps through a restart of the plugin."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.core.secret import Secret
from libs.csikit.capability import Mode
from libs.nvmeof.model import Target
from services.node.volume import Publication, Record
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
    ],
)
def test_a_retry_agrees_and_another_request_does_not(
    changes: dict[str, Any], *, agrees: bool
) -> None:
    use = replace(USE, options=("a", "b"))

    assert use.agrees_with(replace(use, **changes)) is agrees
