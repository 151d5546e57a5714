import pytest

from bench.shares import Function, Spent, part_of, read_entries, shares

OPEN: Function = ("~", 0, "<built-in method io.open>")
READ: Function = ("/src/libs/nvmeof/usage.py", 7, "read")
MAIN: Function = ("/usr/lib/python3.13/asyncio/events.py", 9, "run")


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("/src/libs/nvmeof/usage.py", "libs/nvmeof"),
        ("/src/services/node/workflow/volumes.py", "services/node"),
        ("/src/protos/gen/csi/v1/__init__.py", "protos/gen"),
        ("/v/lib/python3.11/site-packages/h2/connection.py", "h2"),
        ("/usr/lib/python3.11/asyncio/events.py", "asyncio"),
        ("/usr/lib/python3.13/pathlib.py", "pathlib"),
        ("<frozen abc>", "<frozen abc>"),
    ],
)
def test_a_function_belongs_to_whoever_wrote_it(file: str, part: str) -> None:
    assert part_of(file) == part


def test_what_is_written_in_c_counts_for_its_callers() -> None:
    callers = {READ: (3, 3, 0.3, 0.3), MAIN: (1, 1, 0.1, 0.1)}

    spent = list(read_entries({OPEN: (4, 4, 0.4, 0.4, callers)}))

    assert spent == [Spent(READ[0], OPEN[2], 3, 0.3), Spent(MAIN[0], OPEN[2], 1, 0.1)]


def test_what_is_written_in_python_counts_for_itself_whoever_calls_it() -> None:
    callers = {MAIN: (2, 2, 0.2, 0.5)}

    spent = list(read_entries({READ: (2, 2, 0.2, 0.5, callers)}))

    assert spent == [Spent(READ[0], "read", 2, 0.2)]


def test_what_is_written_in_c_and_has_no_caller_is_not_lost() -> None:
    assert list(read_entries({OPEN: (1, 1, 0.4, 0.4, {})})) == [Spent("~", OPEN[2], 1, 0.4)]


def test_shares_are_of_all_that_was_spent_the_largest_first() -> None:
    spent = [
        Spent("/src/libs/core/ids.py", "a", 1, 0.1),
        Spent("/v/site-packages/h2/a.py", "b", 9, 0.6),
        Spent("/src/libs/core/size.py", "c", 5, 0.3),
    ]

    found = shares(spent)

    assert [part for part, _ in found] == ["h2", "libs/core"]
    assert [share for _, share in found] == [pytest.approx(0.6), pytest.approx(0.4)]


def test_what_is_smaller_than_wanted_is_left_out_and_still_counts() -> None:
    spent = [Spent("/v/site-packages/a/b.py", "f", 1, 0.95), Spent("<string>", "f", 1, 0.05)]

    found = shares(spent, smallest=0.1)

    assert [part for part, _ in found] == ["a"]
    assert found[0][1] == pytest.approx(0.95)


def test_nothing_spent_has_no_shares() -> None:
    assert shares([Spent("<string>", "f", 1, 0.0)]) == []
