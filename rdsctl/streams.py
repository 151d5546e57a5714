"""Where the program reads and writes."""

from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard input and output, or what a test has in their place."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
