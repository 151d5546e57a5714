"""Make the pictures of the dashboards: `./dev monitoring-pictures`.

Everything runs for some minutes: the services, a simulated device, a stand-in for the API server,
Prometheus. Takes root and loop devices, prometheus, chromium, pngquant and npm.
"""

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from demo.host import tidy
from tests.monitoring.generate import ROOT, dashboards
from tests.monitoring.pictures.drawing import compose, draw, fetch_uplot, read_board
from tests.monitoring.pictures.life import MAIN, living
from tests.monitoring.pictures.prometheus import running_prometheus
from tests.monitoring.pictures.site import open_site
from tests.monitoring.pictures.stand_in import open_stand_in

_PROGRAMS = ("prometheus", "chromium", "pngquant", "npm", "mkfs.ext4", "openssl")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def make(folder: Path, seconds: float, output: Path) -> None:
    """Run everything, and draw what was scraped."""
    uplot = await fetch_uplot(folder)
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(open_site(folder))
        await stack.enter_async_context(open_stand_in(site))
        prometheus = await stack.enter_async_context(running_prometheus(folder, site.targets))
        begin = time.time()
        async with living(site, seconds):
            say(f"running for {seconds:g} s")
            await asyncio.sleep(max(begin + seconds - time.time(), 0))  # this much is drawn
            end = time.time()
            for name, dashboard in dashboards().items():
                board = await read_board(dashboard, prometheus, begin, end, {"volume": MAIN})
                page, height = compose(board, uplot)
                picture = output / f"{Path(name).stem}.png"
                await draw(page, height, folder, picture)
                say(f"{picture}: {picture.stat().st_size // 1024} KiB")
                empty = [
                    p["title"] for p in board["panels"] if p["type"] != "row" and not p["series"]
                ]
                if empty:
                    say(f"  nothing to show in: {', '.join(empty)}")


def main() -> int:
    parser = argparse.ArgumentParser("monitoring-pictures", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long it runs (%(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures")
    given = parser.parse_args()
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        say(f"missing: {', '.join(missing)} (on Debian: prometheus chromium pngquant npm openssl)")
        return 2
    given.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rds-csi-pictures-") as folder:
        try:
            asyncio.run(make(Path(folder), given.seconds, given.output.resolve()))
        finally:
            tidy(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
