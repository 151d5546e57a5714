"""The mutants of a module: where one is, what it changes, and the changed tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutation.operators import UNTOLD_WORDS, is_prose, replacements

_SKIPPED_FIELDS = frozenset({"annotation", "returns", "decorator_list", "bases", "type_comment"})
"""Types are mypy's, and decorators are what makes a class a value at all."""

_GENERIC = frozenset({"dict", "list", "set", "frozenset", "tuple", "type"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module.

    Attributes:
        site: which node of the module, counted in the order of `_sites`.
        variant: which of its replacements.
        lines: the first and the last line of the node.
        text: the first of these lines, as it is.
        before: the node.
        after: what stands in its place.
        in_function: whether it is reached by a call; the rest runs at the import.
    """

    site: int
    variant: int
    lines: tuple[int, int]
    text: str
    before: str
    after: str
    in_function: bool

    @property
    def key(self) -> str:
        """What is the same mutant in another version of the module."""
        return f"{self.text} | {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class _Site:
    holder: ast.AST
    field: str
    index: int | None
    node: ast.AST
    lines: tuple[int, int]
    in_function: bool

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.holder, self.field, node)
        else:
            getattr(self.holder, self.field)[self.index] = node


@dataclass(frozen=True, slots=True)
class _Walk:
    """Walks a module, leaving out what no test should have to notice.

    Attributes:
        texts: whether sentences count, too; not where they are raised.
    """

    texts: bool

    def sites(
        self,
        node: ast.AST,
        *,
        lines: tuple[int, int] = (1, 1),
        in_function: bool = False,
        raised: bool = False,
    ) -> Iterator[_Site]:
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        raised = raised or isinstance(node, ast.Raise)
        for field, index, child in _children(node):
            if self._left_out(node, field, child, raised=raised):
                continue
            # Positions inside of an f-string are wrong before Python 3.12.
            own = None if isinstance(node, ast.JoinedStr | ast.FormattedValue) else _lines(child)
            here = own or lines
            inside = in_function or (function and field == "body")
            yield _Site(node, field, index, child, here, inside)
            yield from self.sites(child, lines=here, in_function=inside, raised=raised)

    def _left_out(self, holder: ast.AST, field: str, node: ast.AST, *, raised: bool) -> bool:
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr():
                literal = isinstance(holder, ast.Expr | ast.JoinedStr | ast.FormattedValue)
                skipped = literal or raised or (is_prose(node) and not self.texts)
            case ast.Constant():
                skipped = raised
            case ast.Subscript(value=ast.Name(id=name)):
                skipped = name in _GENERIC or name[0].isupper()
            case ast.keyword(arg=name):
                skipped = name in UNTOLD_WORDS
            case (
                ast.ClassDef(bases=[*_, ast.Name(id="Protocol")])
                | ast.If(test=ast.Name(id="TYPE_CHECKING"))
                | ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")])
            ):
                skipped = True
            case _:
                skipped = False
        return skipped or field in _SKIPPED_FIELDS


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            for index, one in enumerate(value):
                if isinstance(one, ast.AST):
                    yield field, index, one


def _lines(node: ast.AST) -> tuple[int, int] | None:
    first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    if first is None or last is None:
        return None
    if isinstance(node, ast.If | ast.While):
        return first, node.test.end_lineno or first
    return first, last


def mutants_of(source: str, *, texts: bool) -> Iterator[Mutant]:
    """Give all mutants of a module's source.

    Args:
        source: the module.
        texts: whether sentences are part of what it promises.
    """
    rows = source.splitlines()
    for number, site in enumerate(_Walk(texts).sites(ast.parse(source))):
        for variant, other in enumerate(replacements(site.node)):
            before, after = _shown(site.node, other)
            yield Mutant(
                number,
                variant,
                site.lines,
                rows[site.lines[0] - 1].strip(),
                before,
                after,
                site.in_function,
            )


def _shown(node: ast.AST, other: ast.AST) -> tuple[str, str]:
    if isinstance(node, ast.If | ast.While) and isinstance(other, ast.If | ast.While):
        return ast.unparse(node.test), ast.unparse(other.test)
    if isinstance(node, ast.match_case) and isinstance(other, ast.match_case):
        return "case with a guard", "case without"
    return ast.unparse(node), ast.unparse(other)


def tree_of(source: str, mutant: Mutant, *, texts: bool) -> ast.Module:
    """Return a module with one mutant in it."""
    tree = ast.parse(source)
    for number, site in enumerate(_Walk(texts).sites(tree)):
        if number == mutant.site:
            new = list(replacements(site.node))[mutant.variant]
            site.put(ast.copy_location(new, site.node))
            return ast.fix_missing_locations(tree)
    raise ValueError("there is no such mutant of this module")
