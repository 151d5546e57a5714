"""The services' containers as the manifests have them, and the settings that those mean."""

from collections.abc import Iterable, Mapping
from typing import Any

from libs.ops.settings import Program, load
from services.controller.config import ControllerSettings
from services.node.config import NodeSettings
from services.reconciler.config import ReconcilerSettings
from tests.k8s.render import Key, Object, pods

SETTINGS: Mapping[str, type[Any]] = {
    "controller": ControllerSettings,
    "node": NodeSettings,
    "reconciler": ReconcilerSettings,
}
KINDS = {"controller": "Deployment", "node": "DaemonSet", "reconciler": "Deployment"}
IN_PODS = {"NODE_NAME": "worker-1"}
"""What the kubelet would fill in."""


def container_of(found: Mapping[Key, Object], service: str) -> Object:
    """Return the driver's own container."""
    name = f"rds-csi-{service}"
    template = pods(found.values())[KINDS[service], name]
    (container,) = (item for item in template["spec"]["containers"] if item["name"] == name)
    return dict(container)


def environment(found: Mapping[Key, Object], container: Object) -> dict[str, str]:
    """Return the environment that a container is given, by its ConfigMaps and by itself."""
    result: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        result |= found["ConfigMap", source["configMapRef"]["name"]]["data"]
    for item in container.get("env", ()):
        result[item["name"]] = item.get("value") or IN_PODS[item["name"]]
    return result


def arguments(container: Object, environ: Mapping[str, str]) -> list[str]:
    """Return the arguments, with variables filled in as the kubelet does; without the live file."""
    filled = []
    for argument in container["args"]:
        text = argument
        for name, value in environ.items():
            text = text.replace(f"$({name})", value)
        filled.append(text)
    return [text for text in filled if not text.startswith("--config-file=")]


def fixed(container: Object) -> set[str]:
    """Return the settings that are given as flags."""
    return flags(container["args"])


def flags(words: Iterable[str]) -> set[str]:
    return {word.partition("=")[0].removeprefix("--") for word in words}


def settings_of(found: Mapping[Key, Object], service: str) -> Any:
    """Return the settings of a service, as it would read them in its pod.

    Raises:
        SettingsError: it would not start.
    """
    container = container_of(found, service)
    environ = environment(found, container)
    program = Program(service, "", "")
    settings, _ = load(SETTINGS[service], arguments(container, environ), environ, program)
    return settings
