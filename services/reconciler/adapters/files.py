"""Files that settings name, and those of the pod."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from libs.csikit.endpoint import TcpAddress
from libs.kube.access import SERVICE_ACCOUNT
from libs.ops.settings import SettingsError, flag
from services.reconciler.config import ReconcilerSettings

_PARTS = ("cert", "key", "ca")


def complete(settings: ReconcilerSettings, account: Path = SERVICE_ACCOUNT) -> ReconcilerSettings:
    """Return the settings with what the pod's service account and the files say.

    Raises:
        SettingsError: something is missing, or a file cannot be read.
    """
    names = [f"{whose}_tls_{part}" for whose in ("admin", "controller") for part in _PARTS]
    problems = list(_unreadable({flag(name): getattr(settings, name) for name in names}))
    address = settings.controller_endpoint
    is_remote = isinstance(address, TcpAddress) and not address.is_loopback
    if is_remote and settings.controller_tls is None and not settings.controller_insecure:
        problems.append("--controller-tls-cert, -key and -ca are required for another machine")
    namespace = settings.namespace or _read_namespace(account)
    if not namespace:
        problems.append("--namespace is required outside of a pod")
    if problems:
        raise SettingsError(problems)
    return replace(settings, namespace=namespace)


def _read_namespace(account: Path) -> str:
    """Return the namespace of the pod that has this service account; empty outside of one."""
    try:
        return (account / "namespace").read_text().strip()
    except OSError:
        return ""


def _unreadable(files: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield, in words, which of the files that these settings name cannot be read."""
    for name, path in files.items():
        try:
            if path is not None:
                path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            yield f"{name}: {path} cannot be read: {error}"
