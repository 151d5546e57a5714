"""docs/settings.md: every setting of every service, from the settings themselves."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from libs.ops.settings import CONFIG_FILE, flag, render_default, variable
from libs.ops.telemetry import TelemetrySettings
from services.controller.config import ControllerSettings
from services.node.config import NodeSettings
from services.reconciler.config import ReconcilerSettings

_SERVICES: tuple[tuple[str, type[Any]], ...] = (
    ("controller", ControllerSettings),
    ("node", NodeSettings),
    ("reconciler", ReconcilerSettings),
)

_HEAD = f"""# Settings

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

Every setting has three spellings: a flag, an environment variable, and a key of the TOML file
that `{CONFIG_FILE}` (or `{variable("config_file")}`) names, which is the flag without its
dashes. The flag wins over the variable, and that over the file:

```toml
log-level = "debug"
drain-seconds = 20
```

The file is read again every five seconds. What is marked *live* is in force at once; of the rest
the log says that a restart is needed, and a file with a mistake in it changes nothing and is
complained of. A service that is started with wrong settings ends at once with code 2, and names
every one of them with its rule. `--check-config` does that and no more.

Secrets are never settings: settings name the files that they are in. A Secret is mounted, and the
file's path given.
"""


def render() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Every service\n"
    yield from _table(dataclasses.fields(TelemetrySettings))
    common = {field.name for field in dataclasses.fields(TelemetrySettings)}
    for name, kind in _SERVICES:
        yield f"\n## {name.capitalize()}\n"
        yield f"`rds-csi-{name}`:\n"
        yield from _table(tuple(f for f in dataclasses.fields(kind) if f.name not in common))


def _table(fields: "tuple[dataclasses.Field[Any], ...]") -> Iterator[str]:
    yield "| flag, variable | meaning | default |"
    yield "|---|---|---|"
    for field in fields:
        default = (
            "required"
            if field.default is dataclasses.MISSING
            else f"`{render_default(field.default)}`"
        )
        live = " *Live.*" if field.metadata["live"] else ""
        text = field.metadata["help"].replace("|", "\\|")
        names = f"`{flag(field.name)}`<br>`{variable(field.name)}`"
        yield f"| {names} | {text[0].upper()}{text[1:]}.{live} | {default} |"
