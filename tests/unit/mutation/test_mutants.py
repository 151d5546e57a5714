"""What `./dev mutation` changes, and what it leaves alone."""

import ast

import pytest

from tests.mutation.mutants import mutants_of, tree_of


def changes(source: str, *, texts: bool = False) -> list[tuple[str, str]]:
    return [(one.before, one.after) for one in mutants_of(source, texts=texts)]


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("x = a < b", "a < b", "a <= b"),
        ("x = a is not b", "a is not b", "a is b"),
        ("x = a and b", "a and b", "b"),
        ("x = a or b or c", "a or b or c", "a or c"),
        ("x = not a", "not a", "a"),
        ("x = 5", "5", "6"),
        ("x = True", "True", "False"),
        ("x = 'a'", "'a'", "'XXa'"),
        ("x = b'a'", "b'a'", "b'XXa'"),
        ("x = f'{a}'", "f'{a}'", "f'XX{a}'"),
        ("x = a + b", "a + b", "a - b"),
        ("x = any(a)", "any(a)", "all(a)"),
        ("x = a.startswith(b)", "a.startswith(b)", "a.endswith(b)"),
        ("x = f(a, b=c)", "f(a, b=c)", "f(a)"),
        ("x = {A.B, A.C}", "{A.B, A.C}", "{A.C}"),
        ("x = a if b else c", "a if b else c", "c if b else a"),
        ("x = [a for a in b if c]", " for a in b if c", " for a in b"),
        ("def f():\n if a: x = b", "a", "not a"),
        ("def f():\n return a", "return a", "return None"),
        ("def f():\n raise A", "raise A", "pass"),
        ("def f():\n g(a)", "g(a)", "pass"),
        ("def f():\n a.b = c", "a.b = c", "pass"),
        ("def f():\n a += b", "a += b", "pass"),
        ("for a in b:\n continue", "continue", "pass"),
        (r"x = re.compile('a{2,5}b+')", "re.compile('a{2,5}b+')", "re.compile('a{2,6}b+')"),
        (r"x = re.compile('a{2,5}b+')", "re.compile('a{2,5}b+')", "re.compile('a{2,5}b*')"),
    ],
)
def test_each_kind_of_change_is_made(source: str, before: str, after: str) -> None:
    assert (before, after) in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "def f(a: 'A') -> 'B': ...",
        "class P(Protocol):\n def f(self, a=1): return 2",
        "if TYPE_CHECKING:\n import a",
        "x = 'a sentence of words'",
        "x = f'{a} sentence of words'",
        "def f():\n return None",
        "x: Literal['a'] | None = None",
        "X = Mapping[str, tuple[A.B, 'C']]",
        "x = zip(a, b, strict=True)",
        "@decorated(slots=True)\nclass A: ...",
    ],
)
def test_what_no_test_should_notice_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_what_is_raised_may_be_worded_in_any_way() -> None:
    assert changes("raise A('a', b=c, detail=d[:9])") == [
        ("raise A('a', b=c, detail=d[:9])", "pass"),
        ("A('a', b=c, detail=d[:9])", "A('a', detail=d[:9])"),
    ]


def test_sentences_are_changed_where_a_machine_reads_them() -> None:
    assert changes("x = 'a b c'", texts=True) == [("'a b c'", "'XXa b c'")]


def test_a_mutant_differs_from_its_module_in_one_place() -> None:
    source = "def f(a):\n    return a + 1 if a < 2 else f'{a}'\n"

    trees = [
        ast.unparse(tree_of(source, mutant, texts=False))
        for mutant in mutants_of(source, texts=False)
    ]

    assert len(set(trees)) == len(trees)
    assert ast.unparse(ast.parse(source)) not in trees
    assert "def f(a):\n    return a - 1 if a < 2 else f'{a}'" in trees
    for tree in trees:
        compile(tree, "mutant", "exec")


def test_a_mutant_knows_its_place_and_whether_a_call_comes_to_it() -> None:
    outside, inside = mutants_of("A = 1\ndef f():\n    return (\n        g)\n", texts=False)

    assert (outside.lines, outside.text, outside.in_function) == ((1, 1), "A = 1", False)
    assert (inside.lines, inside.text, inside.in_function) == ((3, 4), "return (", True)


def test_a_mutant_that_is_not_of_the_module_is_an_error() -> None:
    (mutant,) = mutants_of("A = 1", texts=False)

    with pytest.raises(ValueError, match="no such mutant"):
        tree_of("", mutant, texts=False)
