"""Files that settings name, and those of the pod."""

from dataclasses import replace
from pathlib import Path

from libs.kube.access import SERVICE_ACCOUNT
from libs.ops.running import unreadable
from libs.ops.settings import SettingsError, flag
from services.reconciler.config import ReconcilerSettings

_PARTS = ("cert", "key", "ca")


def complete(settings: ReconcilerSettings, account: Path = SERVICE_ACCOUNT) -> ReconcilerSettings:
    """Return the settings with what the pod's service account and the files say.

    Raises:
        SettingsError: something is missing, or a file cannot be read.
    """
    names = [f"{whose}_tls_{part}" for whose in ("admin", "controller") for part in _PARTS]
    problems = list(unreadable({flag(name): getattr(settings, name) for name in names}))
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
