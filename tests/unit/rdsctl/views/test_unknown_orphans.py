"""There may be orphans that nobody knows of, which is not the same as none."""

from protos.gen.rdscsi.reconciler.v1 import Finding, FindingKind, FindingState, Subject
from rdsctl.blocks import Line, Tone
from rdsctl.views import orphans
from tests.unit.rdsctl.views.test_findings import AGO, NOW, found


def test_no_orphan_is_not_good_where_there_may_be_some() -> None:
    assert orphans.render((), ("it is\naway",), NOW, wide=False) == (
        Line("Not known: it is away", Tone.WARN),
        Line("No orphan is known.", Tone.WARN),
    )
    first, _, tail = orphans.render(orphans.join([found()], []), ("x",), NOW, wide=False)
    assert first == Line("Not known: x", Tone.WARN)
    assert tail == Line("1 orphan, 1 GiB in all.", Tone.FAINT)


def unreadable(device: str = "", **fields: object) -> Finding:
    given: dict[str, object] = {"reason": f"{device or 'all'} away"}
    given["subject"] = Subject(device=device)
    return Finding(kind=FindingKind.UNREADABLE, **(given | fields))  # type: ignore[arg-type]


def test_what_cannot_be_read_may_hide_orphans() -> None:
    findings = [found(), unreadable("b"), unreadable(), unreadable("c")]
    findings += [unreadable("b", state=FindingState.RESOLVED), unreadable(subject=None)]

    assert orphans.unknown([found()], AGO) == []
    assert orphans.unknown(findings, AGO) == ["b away", "all away", "c away", "all away"]
    assert orphans.unknown(findings, AGO, "b") == ["b away", "all away", "all away"]
    assert orphans.unknown(findings, None) == ["no pass has ended yet"]


def test_scripts_are_told_whether_all_orphans_are_known() -> None:
    assert orphans.document((), ()) == {"whole": True, "unknown": [], "orphans": []}
    assert orphans.document((), ("x",)) == {"whole": False, "unknown": ["x"], "orphans": []}
