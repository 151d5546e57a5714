"""`./dev audit`: whether anything that is pinned has a known vulnerability.

pip-audit asks the package index for that. It takes an index that knows nothing of a package for one
that knows nothing bad of it, so what it says is read here: what could not be asked was not audited.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINNED = (ROOT / "constraints.txt", ROOT / "images" / "locks" / "build.txt")
"""All that is pinned: what the other images lock is in the first with the same versions."""
REQUIRED = "RDS_CSI_REQUIRE_AUDIT"
_SECONDS = 300


@dataclass(frozen=True)
class Findings:
    """What an audit found.

    Attributes:
        asked: packages that the database knows.
        unknown: packages that it does not know.
        vulnerable: lines for people.
    """

    asked: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    vulnerable: tuple[str, ...] = ()


def read_report(text: str) -> Findings:
    """Read pip-audit's report; one that is empty has asked nothing."""
    packages = json.loads(text)["dependencies"] if text.strip() else []
    bad = [
        f"{one['name']} {one['version']}: {found['id']}, "
        f"mended in {', '.join(found['fix_versions']) or 'no release yet'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    return Findings(
        tuple(one["name"] for one in packages if "skip_reason" not in one),
        tuple(one["name"] for one in packages if "skip_reason" in one),
        tuple(bad),
    )


def verdict(findings: Findings, *, required: bool) -> tuple[int, str]:
    """Return the exit status, and what to tell.

    Args:
        findings: of the audit.
        required: whether it is an error that the database cannot be asked.
    """
    if findings.vulnerable:
        return 1, "known vulnerabilities:\n  " + "\n  ".join(findings.vulnerable)
    if not findings.asked:
        return int(required), (
            "NOT AUDITED: no database of vulnerabilities can be asked from here, so nothing is "
            f"known. Set {REQUIRED}=1 to make that an error."
        )
    if findings.unknown:
        return int(required), (
            f"{len(findings.asked)} packages have no known vulnerability. NOT AUDITED, as the "
            f"database does not know them: {', '.join(findings.unknown)}"
        )
    return 0, f"{len(findings.asked)} packages have no known vulnerability"


def audit(path: Path) -> Findings:
    """Ask for all that a file pins; nothing is resolved or installed."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        done = subprocess.run(  # noqa: S603 (a module of our own choice)
            [
                *(sys.executable, "-m", "pip_audit", "--requirement", str(path)),
                *("--no-deps", "--disable-pip", "--progress-spinner=off"),
                *("--format=json", f"--output={report}"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        if report.exists():
            return read_report(report.read_text())
    if "ConnectionError" in done.stderr or "ConnectionTimeout" in done.stderr:
        return Findings()
    raise RuntimeError(f"pip-audit ended with {done.returncode}:\n{done.stderr[-2000:]}")


def main() -> int:
    worst = 0
    required = bool(os.environ.get(REQUIRED))
    for path in PINNED:
        status, text = verdict(audit(path), required=required)
        worst = max(worst, status)
        sys.stdout.write(f"{path.relative_to(ROOT)}: {text}\n")
    return worst


if __name__ == "__main__":
    sys.exit(main())
