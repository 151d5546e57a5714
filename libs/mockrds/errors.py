"""What the simulated console says when it does not do as it is told."""


class ConsoleError(Exception):
    """A command failed while it ran; `text` is printed, and the rest of the line is not run."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ScriptError(ConsoleError):
    """The line cannot be parsed; nothing of it is run."""

    def __init__(self, text: str, line: int, column: int) -> None:
        super().__init__(f"{text} (line {line} column {column})")
