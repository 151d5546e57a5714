"""All that is known of one volume, for people. Pure."""

from collections.abc import Iterator
from datetime import datetime

from protos.gen.rdscsi.controller.v1 import HalfState, Volume
from protos.gen.rdscsi.reconciler.v1 import ExplainVolumeResponse, PersistentVolume
from rdsctl.blocks import Block, Cell, Facts, Line, Tone, facts, table
from rdsctl.views.attachments import attachments_table, rows_of_volume
from rdsctl.views.findings import SETTLED, findings_table
from rdsctl.words import age, ago, clean, shown, size, word

_WHOLE = frozenset({HalfState.UNSPECIFIED, HalfState.WHOLE})


def is_good(answer: ExplainVolumeResponse) -> bool:
    """Whether all is known of the volume, and nothing is wrong with it."""
    half = answer.volume is not None and answer.volume.half_state not in _WHOLE
    wrong = any(finding.state not in SETTLED for finding in answer.findings)
    return not (half or wrong or answer.unknown)


def render(answer: ExplainVolumeResponse, now: datetime, *, wide: bool) -> tuple[Block, ...]:
    """Return what `rdsctl volume` says: first in sentences, then piece by piece."""
    return tuple(_blocks(answer, now, wide=wide))


def _blocks(answer: ExplainVolumeResponse, now: datetime, *, wide: bool) -> Iterator[Block]:
    title = f"Volume {shown(answer.volume_id)} on device {shown(answer.device)}"
    yield Line(title, Tone.STRONG)
    for sentence in answer.sentences:
        yield Line(clean(sentence))
    for unknown in answer.unknown:
        yield Line(f"Not known: {clean(unknown)}", Tone.WARN)
    yield findings_table(answer.findings, now, wide=wide, title="Findings")
    if answer.persistent_volume is not None:
        yield _persistent_volume(answer.persistent_volume, now)
    if answer.volume is not None:
        yield _on_device(answer.volume)
    rows = rows_of_volume(answer)
    yield attachments_table(rows, now, wide=wide, title="Attachments")
    yield _nodes(answer, now)
    yield table(
        "Snapshots",
        ("SNAPSHOT", "SIZE", "AGE", "READY", "PATH"),
        (
            [s.snapshot_id, size(s.size_bytes), age(s.created_at, now), _yes(s.ready), s.path]
            for s in answer.snapshots
        ),
    )
    yield table(
        "Left over on the device",
        ("PATH", "KIND", "SIZE", "STATE"),
        (
            [item.path, word(item.kind), size(item.size_bytes), word(item.half_state)]
            for item in answer.leftovers
        ),
    )


def _yes(is_so: bool) -> str:  # noqa: FBT001 (a value, not a switch)
    return "yes" if is_so else "no"


def _persistent_volume(volume: PersistentVolume, now: datetime) -> Facts:
    pairs: list[tuple[str, str | Cell]] = [
        ("Name", volume.name),
        ("Phase", volume.phase),
        ("Claim", volume.claim),
        ("Class", volume.storage_class),
        ("Capacity", size(volume.capacity_bytes)),
        ("Access", ", ".join(volume.access_modes)),
        ("Reclaim", volume.reclaim_policy),
        ("Made", ago(volume.created_at, now)),
    ]
    if volume.deleting_since is not None:
        text = f"for {age(volume.deleting_since, now)}; kept by {', '.join(volume.finalizers)}"
        pairs.append(("Deleting", Cell(text, Tone.WARN)))
    return facts(*pairs, title="PersistentVolume")


def _on_device(volume: Volume) -> Facts:
    half = volume.half_state not in _WHOLE
    pairs: list[tuple[str, str | Cell]] = [
        ("State", Cell(word(volume.half_state), Tone.BAD if half else Tone.GOOD)),
        ("Slot", volume.slot),
        ("Size", size(volume.size_bytes)),
        ("File", volume.path if volume.file_present else f"{volume.path} (missing)"),
        ("Layout", word(volume.layout)),
        ("Exported", f"as {volume.nqn}, port {volume.port}" if volume.exported else "no"),
        ("Lets in", _admitted(volume)),
    ]
    if volume.created_from:
        pairs.append(("Copy of", volume.created_from))
    if volume.copying_to:
        pairs.append(("Copied to", ", ".join(volume.copying_to)))
    return facts(*pairs, title="On the device")


def _admitted(volume: Volume) -> str:
    if not volume.fenced:
        return "every host (not fenced)"
    return ", ".join(volume.allowed_hosts) or "no host"


def _nodes(answer: ExplainVolumeResponse, now: datetime) -> Block:
    return table(
        "Nodes",
        ("NODE", "READY", "FOR", "OUT OF SERVICE", "REPORTS THE VOLUME"),
        (
            [
                node.name,
                Cell(_yes(node.ready) if node.exists else "gone", _tone(ready=node.ready)),
                age(node.ready_changed_at, now),
                _yes(node.out_of_service),
                _yes(node.reports_volume),
            ]
            for node in answer.nodes
        ),
    )


def _tone(*, ready: bool) -> Tone:
    return Tone.GOOD if ready else Tone.BAD
