"""Values of expressions, in the console's script language."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from libs.mockrds.errors import ConsoleError
from libs.mockrds.syntax import (
    Binary,
    Block,
    Command,
    Expression,
    Literal,
    Property,
    Script,
    Substitution,
    Unary,
    Variable,
)
from libs.mockrds.values import Item, Value, comparable, compare, compile_pattern, text_of

NO_ITEM: Item = {}


class Evaluator(ABC):
    """Evaluates expressions; what a script in brackets does is up to the subclass."""

    def __init__(self) -> None:
        self._variables: dict[str, Value] = {}

    @abstractmethod
    def _script(self, script: Script) -> Value:
        """Run a script, and return the value of its last command."""

    def _list(self, value: Value) -> list[str]:
        if isinstance(value, str | int):
            return [part for part in str(value).split(",") if part]
        return [str(part) for part in value or ()]

    def _only(self, command: Command) -> Value:
        values = self._positional(command)
        if not values:
            raise ConsoleError("failure: a value is missing")
        return values[0]

    def _positional(self, command: Command) -> list[Value]:
        return [self._value(a.value, NO_ITEM) for a in command.arguments if not a.name]

    def _named(self, command: Command) -> dict[str, Expression]:
        return {a.name: a.value for a in command.arguments if a.name}

    def _flags(self, command: Command) -> set[str]:
        return {text_of(value) for value in self._positional(command)}

    def _block(self, value: Expression) -> Value:
        return self._script(value.script) if isinstance(value, Block) else None

    def _truth(self, value: Value) -> bool:
        if isinstance(value, bool):
            return value
        raise ConsoleError("conditional not boolean")

    def _predicate(self, condition: Expression) -> Callable[[Item], bool]:
        """Return a `where` as a function, in which what is the same for all items is done once."""
        match condition:
            case Binary("and", left, right):
                first, second = self._predicate(left), self._predicate(right)
                return lambda item: first(item) and second(item)
            case Binary("or", left, right):
                first, second = self._predicate(left), self._predicate(right)
                return lambda item: first(item) or second(item)
            case Binary("=", Property(name), Literal(value)):
                wanted = comparable(value)
                if isinstance(wanted, str) and wanted not in {"yes", "no"}:
                    return lambda item: item.get(name, "") == wanted  # it is compared as it is
                return lambda item: comparable(item.get(name)) == wanted
            case Binary("~", Property(name), Literal(value)):
                search = compile_pattern(text_of(value)).search

                def matches(item: Item) -> bool:
                    found = item.get(name, "")
                    return search(found if isinstance(found, str) else text_of(found)) is not None

                return matches
            case _:
                return lambda item: self._truth(self._value(condition, item))

    def _value(self, expression: Expression, item: Item) -> Value:
        match expression:
            case Literal(value):
                return value
            case Variable(name):
                return self._variables.get(name)
            case Property(name):
                return item.get(name)
            case Substitution(script):
                return self._script(script)
            case Unary() | Binary():
                return self._operation(expression, item)
            case Block():
                return None

    def _operation(self, expression: Unary | Binary, item: Item) -> Value:
        if isinstance(expression, Unary):
            return not self._truth(self._value(expression.operand, item))
        operator, right = expression.operator, expression.right
        first = self._value(expression.left, item)
        if operator == "and":
            return self._truth(first) and self._truth(self._value(right, item))
        if operator == "or":
            return self._truth(first) or self._truth(self._value(right, item))
        return _combine(operator, first, self._value(right, item))


def _combine(operator: str, first: Value, second: Value) -> Value:
    if operator == ".":
        return text_of(first) + text_of(second)
    if operator in {"+", "-"}:
        if not (isinstance(first, int) and isinstance(second, int)):
            raise ConsoleError("cannot add or subtract what is not a number")
        return first + second if operator == "+" else first - second
    if operator not in {"=", "!=", "~"} and first is None:
        return False  # an item without the property is not what is looked for
    return compare(operator, first, second)
