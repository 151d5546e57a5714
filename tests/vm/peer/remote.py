"""What is called in the second machine: modules, the node plugin, and what is left of both."""

import contextlib
import multiprocessing
import subprocess
from multiprocessing.process import BaseProcess
from pathlib import Path

from services.node.app import run
from tests.component.node import killing
from tests.component.node.rig import mount_table
from tests.vm.nvmet import disconnect_everything, load_modules

_CONTEXT = multiprocessing.get_context("forkserver")
_PLUGINS: dict[int, BaseProcess] = {}


def preload() -> None:
    """Have everything ready that the first plugin needs."""
    _CONTEXT.set_forkserver_preload(["services.node.app"])
    load_modules()


def start_plugin(directory: str, argv: list[str]) -> int:
    """Start a node plugin, and return its process ID.

    Args:
        directory: with what the plugin has: `state`, `kubelet`.
        argv: its flags.
    """
    for name in ("state", "kubelet", "nvme"):
        (Path(directory) / name).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (Path(directory) / "csi.sock").unlink()
    process = _CONTEXT.Process(target=run, args=(argv, {}), daemon=True)
    process.start()
    assert process.pid is not None
    _PLUGINS[process.pid] = process
    return process.pid


def kill_plugin(pid: int) -> None:
    """Kill a plugin, and not its children."""
    if (process := _PLUGINS.pop(pid, None)) is not None:
        process.kill()
        process.join(10)


def clean(directory: str) -> None:
    """Leave no plugin, connection, mount or file behind, whatever a test did."""
    for pid in list(_PLUGINS):
        kill_plugin(pid)
    disconnect_everything()  # unmounting what waits for a target would wait, too
    for mount in mount_table().below(directory):
        subprocess.run(["umount", "-l", mount.point], check=False, timeout=20)  # noqa: S603, S607
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=False, timeout=20)  # noqa: S603, S607


def leftovers(directory: str) -> list[str]:
    """Return what must not be there once no volume is."""
    controllers = [f"controller {each.name}" for each in Path("/sys/class/nvme").iterdir()]
    return [*controllers, *killing.leftovers(Path(directory))]


def mount_points(directory: str) -> list[str]:
    """Return where something is mounted below a directory."""
    return [mount.point for mount in mount_table().below(directory)]
