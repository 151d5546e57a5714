"""The Kubernetes API server that tests of the services run against."""

from libs.mockkube.testing import ATTACHMENTS, NODES, VOLUMES, ApiServer, Object, running_api

__all__ = ["ATTACHMENTS", "NODES", "VOLUMES", "ApiServer", "Object", "running_api"]
