"""Run a control plane until it is interrupted: `python -m tests.kube [COMPONENT...]`."""

import argparse
import json
import signal
import sys

from tests.kube.cluster import running_cluster
from tests.kube.processes import ClusterFailed

_COMPONENTS = ("kube-controller-manager", "kube-scheduler")


def main() -> None:
    """Print one line of JSON when it is ready, and wait for SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube", description=__doc__)
    parser.add_argument("components", nargs="*", choices=(*_COMPONENTS, []), metavar="COMPONENT")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        with running_cluster(options.components) as cluster:
            ready = {"url": cluster.url, "kubeconfig": str(cluster.kubeconfig)}
            sys.stdout.write(json.dumps(ready | {"logs": str(cluster.logs)}) + "\n")
            sys.stdout.flush()
            signal.sigwait((signal.SIGTERM, signal.SIGINT))
    except ClusterFailed as error:
        sys.exit(f"tests.kube: {error}")


if __name__ == "__main__":
    main()
