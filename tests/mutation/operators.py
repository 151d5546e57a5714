"""What is changed in code to see whether a test notices: one small change at a time.

Each function takes a node and gives what could stand in its place. None gives what must mean the
same, as far as that can be told from the node alone.
"""

import ast
import re
from collections.abc import Callable, Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min"}
_METHODS = {
    "startswith": "endswith",
    "endswith": "startswith",
    "fullmatch": "match",
    "match": "search",
    "partition": "rpartition",
    "rpartition": "partition",
}
_PLAIN = (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr, ast.Subscript)
_PROSE_SPACES = 2

UNTOLD_WORDS = frozenset({"detail", "strict"})
"""Arguments that change nothing a test could see: what an error says to the log, and the `strict`
of a zip of what has one length."""


def _compare(node: ast.Compare) -> Iterator[ast.expr]:
    for at, old in enumerate(node.ops):
        ops = [*node.ops[:at], _COMPARISONS[type(old)](), *node.ops[at + 1 :]]
        yield ast.Compare(node.left, ops, node.comparators)


def _either(node: ast.BoolOp) -> Iterator[ast.expr]:
    for at in range(len(node.values)):
        rest = node.values[:at] + node.values[at + 1 :]
        yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _unary(node: ast.UnaryOp) -> Iterator[ast.expr]:
    yield node.operand


def _arithmetic(node: ast.BinOp) -> Iterator[ast.expr]:
    if type(node.op) in _ARITHMETIC:
        yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)


def _patterns(text: str) -> Iterator[str]:
    """Give the expression with one repetition or class changed."""
    for found in re.finditer(r"(?<=[{,])\d+(?=[},])|(?<=[\])\w.])[+*](?!\?)", text):
        new = {"+": "*", "*": "+"}.get(found[0]) or str(int(found[0]) + 1)
        yield text[: found.start()] + new + text[found.end() :]


def _constant(node: ast.Constant) -> Iterator[ast.expr]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str):
        yield ast.Constant(f"XX{value}")
    elif isinstance(value, bytes):
        yield ast.Constant(b"XX" + value)


def _fstring(node: ast.JoinedStr) -> Iterator[ast.expr]:
    yield ast.JoinedStr([ast.Constant("XX"), *node.values])


def _call(node: ast.Call) -> Iterator[ast.expr]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in _CALLS:
        yield ast.Call(ast.Name(_CALLS[function.id], ast.Load()), node.args, node.keywords)
    if isinstance(function, ast.Attribute) and function.attr in _METHODS:
        other = ast.Attribute(function.value, _METHODS[function.attr], ast.Load())
        yield ast.Call(other, node.args, node.keywords)
    compiles = isinstance(function, ast.Attribute) and function.attr == "compile"
    if compiles and node.args and isinstance(node.args[0], ast.Constant):
        pattern = node.args[0].value
        for other_pattern in _patterns(pattern) if isinstance(pattern, str) else ():
            yield ast.Call(function, [ast.Constant(other_pattern), *node.args[1:]], node.keywords)
    for at, word in enumerate(node.keywords):
        if word.arg in UNTOLD_WORDS:
            continue
        yield ast.Call(function, node.args, node.keywords[:at] + node.keywords[at + 1 :])


def _several(node: ast.Tuple | ast.List | ast.Set) -> Iterator[ast.expr]:
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    for at, one in enumerate(node.elts):
        # Strings and numbers are changed by themselves.
        if len(node.elts) > 1 and isinstance(one, ast.Attribute | ast.Name | ast.Call):
            rest = node.elts[:at] + node.elts[at + 1 :]
            yield ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())


def _choice(node: ast.IfExp) -> Iterator[ast.expr]:
    if isinstance(node.test, _PLAIN):
        yield ast.IfExp(node.test, node.orelse, node.body)


def _branch(node: ast.If | ast.While) -> Iterator[ast.stmt]:
    if isinstance(node.test, _PLAIN):
        inverted = ast.UnaryOp(ast.Not(), node.test)
        yield type(node)(test=inverted, body=node.body, orelse=node.orelse)


def _filtered(node: ast.comprehension) -> Iterator[ast.comprehension]:
    for at in range(len(node.ifs)):
        ifs = node.ifs[:at] + node.ifs[at + 1 :]
        yield ast.comprehension(node.target, node.iter, ifs, node.is_async)


def _case(node: ast.match_case) -> Iterator[ast.match_case]:
    if node.guard is not None:
        yield ast.match_case(node.pattern, None, node.body)


def _returned(node: ast.Return) -> Iterator[ast.stmt]:
    nothing = node.value is None or (
        isinstance(node.value, ast.Constant) and node.value.value is None
    )
    if not nothing:
        yield ast.Return(ast.Constant(None))


def _removed(_node: ast.stmt) -> Iterator[ast.stmt]:
    yield ast.Pass()


def _called(node: ast.Expr) -> Iterator[ast.stmt]:
    if isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom | ast.Await):
        yield ast.Pass()


def _assigned(node: ast.Assign) -> Iterator[ast.stmt]:
    # A name that is never bound is noticed by everything; a field may not be.
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield ast.Pass()


OPERATORS: dict[type[ast.AST], Callable[..., Iterator[ast.AST]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _either,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.Constant: _constant,
    ast.JoinedStr: _fstring,
    ast.Call: _call,
    ast.Tuple: _several,
    ast.List: _several,
    ast.Set: _several,
    ast.IfExp: _choice,
    ast.If: _branch,
    ast.While: _branch,
    ast.comprehension: _filtered,
    ast.match_case: _case,
    ast.Return: _returned,
    ast.Raise: _removed,
    ast.Delete: _removed,
    ast.AugAssign: _removed,
    ast.Continue: _removed,
    ast.Break: _removed,
    ast.Expr: _called,
    ast.Assign: _assigned,
}


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Give what could stand in place of a node."""
    operator = OPERATORS.get(type(node))
    if operator is not None:
        yield from operator(node)


def is_prose(node: ast.AST) -> bool:
    """Return whether a text is for people: it has three words or more."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "x"
        for part in parts
    )
    return text.count(" ") >= _PROSE_SPACES
