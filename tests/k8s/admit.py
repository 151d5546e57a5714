"""Hold changes against a ValidatingAdmissionPolicy; runs by itself, with CEL's package.

Reads `{"policy": ..., "changes": [{"request": ..., "object": ..., "oldObject": ...}, ...]}` from
standard input; writes the messages of what refused each change, as JSON: none where all agreed, and
null where the policy is not about the change.
"""

import json
import sys
from typing import Any

from cel_expr_python import cel  # type: ignore[import-not-found] # see tests/k8s/fetch.py

_NAMES = ("request", "object", "oldObject", "variables")
_CEL = cel.NewEnv(variables=dict.fromkeys(_NAMES, cel.Type.DYN))


def judge(policy: dict[str, Any], change: dict[str, Any]) -> list[str] | None:
    """Return the messages of the rules that refuse a change."""
    data = change | {"variables": {}}
    if not all(_value(rule, data) for rule in policy["matchConditions"]):
        return None
    for variable in policy["variables"]:
        data["variables"][variable["name"]] = _value(variable, data)
    return [rule["message"] for rule in policy["validations"] if _value(rule, data) is not True]


def _value(rule: dict[str, Any], data: dict[str, Any]) -> object:
    """Evaluate a rule; an error is an answer like others, and is never true."""
    return _CEL.compile(rule["expression"]).eval(data=data).plain_value()


def main() -> None:
    asked = json.load(sys.stdin)
    json.dump([judge(asked["policy"], change) for change in asked["changes"]], sys.stdout)


if __name__ == "__main__":
    main()
