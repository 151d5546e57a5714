"""Write what is made of something else in k8s/monitoring: `./dev monitoring-generate`.

The dashboards come from tests/monitoring/dashboards, the PrometheusRule from the rule file.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.monitoring.dashboards.device import DEVICE
from tests.monitoring.dashboards.overview import OVERVIEW
from tests.monitoring.dashboards.panels import Json
from tests.monitoring.dashboards.volume import VOLUME

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "k8s" / "monitoring"
RULES = FOLDER / "rules" / "rds-csi.yaml"

_MANIFEST = """\
# Made of rules/rds-csi.yaml by `./dev monitoring-generate`: change that file instead.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rds-csi
  labels:
    app.kubernetes.io/name: rds-csi
spec:
"""


def dashboards() -> dict[str, Json]:
    """Return the dashboards, by the names of their files."""
    return {
        "overview.json": OVERVIEW.render(),
        "device.json": DEVICE.render(),
        "volume.json": VOLUME.render(),
    }


def manifest(rules: str) -> str:
    """Return the PrometheusRule of a rule file."""
    body = rules[rules.index("groups:") :]
    return _MANIFEST + "".join(
        f"  {line}" if line.strip() else line for line in body.splitlines(keepends=True)
    )


def files() -> Mapping[Path, str]:
    """Return the content of every file that is made."""
    made = {
        FOLDER / "dashboards" / name: json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in dashboards().items()
    }
    return {**made, FOLDER / "prometheusrule.yaml": manifest(RULES.read_text())}


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
