"""Secrets as a type that does not print."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A value for nobody's eyes: `repr`, `str` and log lines show only that it is there."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the secret, for the one place that has to use it."""
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"
