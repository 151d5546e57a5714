"""Files that settings name, and those of the pod."""

from collections.abc import Iterator, Mapping
from pathlib import Path


def read_namespace(account: Path) -> str:
    """Return the namespace of the pod that has this service account; empty outside of one."""
    try:
        return (account / "namespace").read_text().strip()
    except OSError:
        return ""


def unreadable(files: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield, in words, which of the files that these settings name cannot be read."""
    for name, path in files.items():
        try:
            if path is not None:
                path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            yield f"{name}: {path} cannot be read: {error}"
