"""Names of settings, as flags, variables and keys of a context; and where the file is."""

from collections.abc import Mapping
from pathlib import Path

PREFIX = "RDSCTL_"
"""What the variables in the environment begin with."""

SETTINGS = ("endpoint", "tls_cert", "tls_key", "tls_ca", "server_name", "plaintext", "timeout")
"""What flags, the environment and contexts can say."""


def file_path(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return where the configuration file is, or would be; None where there is no home."""
    if explicit:
        return Path(explicit)
    folder = environ.get("XDG_CONFIG_HOME")
    if folder:
        return Path(folder, "rdsctl", "config.toml")
    home = environ.get("HOME")
    return Path(home, ".config", "rdsctl", "config.toml") if home else None
