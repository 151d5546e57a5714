"""Several commands in one exec, with the answer and the error of each kept apart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.rdsclient.commands import Command

NEXT = "rds-csi:next"
"""Printed after each command of a batch, on a line of its own, which no JSON value can have."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much goes into one exec.

    Attributes:
        commands: how many commands; 1 sends each alone.
        characters: how long the line may get; what RouterOS accepts at most is not known.
        seconds: how long the device may take for all of them together, as far as that can be told.
    """

    commands: int = 16
    characters: int = 16_384
    seconds: float = 5.0

    def count(self, waiting: Sequence[Command], sessions: int) -> int:
        """Return how many of the first waiting commands go into the next exec.

        While there are as many free sessions as commands, each gets its own: a batch answers only
        when all of it is done.
        """
        share = -(-len(waiting) // max(sessions, 1))
        count, characters, seconds = 0, 0, 0.0
        for command in waiting[: max(1, min(share, self.commands))]:
            characters += len(command.line)
            seconds += command.seconds
            if count and (characters > self.characters or seconds > self.seconds):
                break
            count += 1
        return count


def join_commands(commands: Sequence[Command]) -> str:
    """Return one line that runs them all, one failing without the others."""
    if len(commands) == 1:
        return commands[0].line
    return "; ".join(
        f':onerror e in={{{command.line}}} do={{:put $e}}; :put "{NEXT}"' for command in commands
    )


def split_answers(text: str, count: int) -> list[str] | None:
    """Return the answer of each command; None where the device did not take the line at all.

    An answer that is missing because the text was cut off comes as what there is of it, which its
    own command's reading refuses.
    """
    if count == 1:
        return [text]
    lines = text.split("\n")
    answers: list[str] = []
    part: list[str] = []
    for line in lines:
        if line.strip() == NEXT:
            answers.append("\n".join(part))
            part = []
        else:
            part.append(line)
    if not answers and "(line " in text:
        return None  # a syntax error anywhere keeps all of a line from running
    rest = "\n".join(part)
    return [*answers, rest, *[""] * count][:count]
