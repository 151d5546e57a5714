"""The sizes that the interface allows for what is in a message."""

from collections.abc import Mapping

TEXT_BYTES = 128
MAP_BYTES = 4096
NODE_ID_BYTES = 256


def text_bytes(text: str) -> int:
    """Return how many bytes a text takes."""
    return len(text.encode())


def map_bytes(pairs: Mapping[str, str]) -> int:
    """Return how many bytes all keys and values of a map take."""
    return sum(text_bytes(key) + text_bytes(value) for key, value in pairs.items())
