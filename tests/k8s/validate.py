"""Hold objects to the schemas of a Kubernetes release; runs by itself, with the schemas' packages.

Reads YAML from standard input; writes `[[kind, name, problem], ...]` as JSON. The problem is empty
where there is no schema for the kind.
"""

import json
import sys
from typing import Any

import kubernetes_validate as schemas  # type: ignore[import-not-found] # see tests/k8s/fetch.py
import yaml


def problem_of(item: dict[str, Any], release: str) -> str | None:
    try:
        schemas.validate(item, release, strict=True)
    except schemas.SchemaNotFoundError:
        return ""
    except schemas.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return None


def main() -> None:
    found = []
    for item in yaml.safe_load_all(sys.stdin):
        problem = problem_of(item, sys.argv[1])
        if problem is not None:
            found.append([item["kind"], item["metadata"]["name"], problem])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
