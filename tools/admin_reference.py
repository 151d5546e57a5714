"""docs/reference/admin-api.md: the contracts of the admin APIs, service by service."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRACTS = (
    ROOT / "protos/rdscsi/controller/v1/admin.proto",
    ROOT / "protos/rdscsi/reconciler/v1/admin.proto",
)

_HEAD = """# The admin API, call by call

<!-- Made from the contracts by `./dev docs`; a test says when it is out of date. -->

How they are served, who gets in, and what an answer may be taken for is in
[The admin APIs](../admin-api.md).
"""
_RPC = re.compile(r"((?: *//[^\n]*\n)*) *rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);")


def render() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for path in CONTRACTS for line in _contract(path))]) + "\n"


def _contract(path: Path) -> Iterator[str]:
    text = path.read_text()
    package = _group(r"^package ([\w.]+);", text)
    service = _group(r"^service (\w+) \{", text)
    yield f"## {package}.{service}\n"
    yield "| call | what it does | answers |"
    yield "|---|---|---|"
    calls, _, messages = text.partition("\n}\n")
    for comment, name, _, stream, _ in _RPC.findall(calls):
        answers = "a stream" if stream else "once"
        yield f"| `{name}` | {_sentence(comment)} | {answers} |"
    # What comes before the first message are headings of the file.
    yield f"\n```proto\n{messages[messages.index('message ') :].rstrip()}\n```\n"


def _group(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"the contract has no {pattern}")
    return match[1]


def _sentence(comment: str) -> str:
    return re.sub(r"\s*//\s*", " ", comment).strip().rstrip(".").replace("|", "\\|")
