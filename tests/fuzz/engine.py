"""What is tried, and on what: targets, and a plain engine for where there is no atheris."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.fuzz.words import HOSTILE, PLAIN

LONGEST = 8192
"""Bytes of an input."""


@dataclass(frozen=True)
class Target:
    """Something that takes input from outside.

    Attributes:
        run: tries one input; raises whatever must not be raised.
        seeds: inputs to begin with.
    """

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...] = ()


class Failed(Exception):
    """An input did what no input may do."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"the input {data!r}")
        self.data = data


def inputs(seeds: tuple[bytes, ...], seed: int) -> Iterator[bytes]:
    """Yield the seeds as they are, and then changed and crossed ones for ever."""
    yield from seeds
    chance = random.Random(seed)  # noqa: S311 (to be repeatable)
    while True:
        if not seeds or chance.random() < 0.2:
            yield chance.randbytes(chance.randrange(200))
            continue
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 6)):
            _change(data, seeds, chance)
        yield bytes(data[:LONGEST])


def _change(data: bytearray, seeds: tuple[bytes, ...], chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    stop = min(len(data), start + chance.randrange(20))
    match chance.randrange(6):
        case 0:
            data[start:stop] = chance.randbytes(chance.randrange(1, 8))
        case 1:
            del data[start:stop]
        case 2:
            data[start:start] = data[start:stop] * chance.randrange(1, 40)
        case 3:
            data[start:start] = chance.choice(HOSTILE + PLAIN).encode()
        case 4:
            other = chance.choice(seeds)
            data[start:] = other[chance.randrange(len(other) + 1) :]
        case _:
            del data[start:]


def try_one(target: Target, data: bytes) -> None:
    """Try one input.

    Raises:
        Failed: it did what no input may do.
    """
    try:
        target.run(data)
    except Exception as error:
        raise Failed(data) from error


def fuzz(target: Target, *, seed: int, seconds: float = 3600.0, most: int | None = None) -> int:
    """Try inputs until the time is up or there were enough, and return how many there were."""
    deadline = time.monotonic() + seconds
    count = 0
    for data in inputs(target.seeds, seed):
        try_one(target, data)
        count += 1
        if count == most or time.monotonic() > deadline:
            break
    return count
