"""Blocks that tell who wrote them, when, and whether they are whole. Pure."""

BLOCK = 4096
SLOTS = 16
"""Blocks of a volume that are written to."""

TORN = "torn"
"""What a block is read as that is neither empty nor whole."""

EMPTY = ""
"""What a block is read as that was never written to."""


def render(mark: str) -> bytes:
    """Return a block that says a mark, from its first byte to its last."""
    line = f"{mark}\n".encode()
    return (line * (BLOCK // len(line) + 1))[:BLOCK]


def parse(block: bytes) -> str:
    """Return the mark of a block, EMPTY or TORN."""
    if not block.strip(b"\0"):
        return EMPTY
    mark = block.partition(b"\n")[0].decode(errors="replace")
    return mark if block == render(mark) else TORN
