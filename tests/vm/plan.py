"""Which tests run in which machine.

Machines run two at a time, so what matters is that both are busy to the end: files that no group
below names go to whichever of the open groups has less to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

INSIDE = "tests/vm/inside"


@dataclass(frozen=True)
class Group:
    """Tests that share a machine.

    Attributes:
        name: in the output, and of its console's file.
        files: names of test files, or for a choice of tests what pytest is given.
        peer: whether there is a second machine beside it.
        authentication: whether its kernel must have DH-CHAP.
        open: whether it takes files that no group names.
        cpus: of each machine. More than one are slower where the host has few, and what waits for
            another processor spins meanwhile.
    """

    name: str
    files: tuple[str, ...] = ()
    peer: bool = False
    authentication: bool = False
    open: bool = False
    cpus: int = 1


GROUPS = (
    Group("one", ("test_twins.py",), open=True),  # and below, on the other kernel
    Group("two", open=True),
    Group("pair", ("test_two_machines.py", "test_assembled_pair.py"), peer=True),
    # With one processor Linux 6.12's target cuts a host that fails before its answer is out, and
    # the host waits for that for a minute (`nvmet_execute_auth_receive`, fabrics-cmd-auth.c).
    Group(
        "authentication", ("test_authentication.py", "test_twins.py"), authentication=True, cpus=2
    ),
)

SECONDS = {
    "test_assembled.py": 140,
    "test_assembled_faults.py": 100,
    "test_chaos.py": 70,
    "test_cost.py": 35,
    "test_fabrics.py": 35,
    "test_mock_rds.py": 70,
    "test_node.py": 30,
    "test_node_faults.py": 45,
    "test_node_killed.py": 50,
}
"""About how long files take, for an even distribution; one that is not here counts as UNKNOWN."""

UNKNOWN = 45


def distribute(
    files: Iterable[str],
    groups: Sequence[Group] = GROUPS,
    seconds: Mapping[str, int] = SECONDS,
) -> list[Group]:
    """Return the groups with every file in one of them; those without any are left out.

    Args:
        files: names of the test files that there are.
        groups: the groups; at least one is open.
        seconds: about how long files take.
    """
    present = sorted(files)
    named = {file for group in groups for file in group.files}
    filled = {
        group.name: replace(group, files=tuple(file for file in group.files if file in present))
        for group in groups
    }

    def load(group: Group) -> int:
        return sum(seconds.get(file, UNKNOWN) for file in group.files)

    # The longest first, each to where there is least: what is short evens it out in the end.
    free = sorted(set(present) - named, key=lambda file: (-seconds.get(file, UNKNOWN), file))
    for file in free:
        takers = [group for group in filled.values() if group.open]
        least = min(takers, key=load)
        filled[least.name] = replace(least, files=(*least.files, file))
    return [group for group in filled.values() if group.files]


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what among pytest's arguments are tests, and the others."""
    paths: list[str] = []
    others: list[str] = []
    for before, each in zip(("", *arguments), arguments, strict=False):
        is_path = each.startswith("tests/") and before not in {"--deselect", "--ignore"}
        (paths if is_path else others).append(each)
    return paths, others


def chosen(paths: Sequence[str], groups: Sequence[Group] = GROUPS) -> Group:
    """Return one group for tests that were asked for by name: it has what any of them needs."""
    files = {path.partition("::")[0].rpartition("/")[2] for path in paths}
    # A directory may hold any of them.
    all_of_it = any(not file.endswith(".py") for file in files)
    needed = [group for group in groups if all_of_it or files & set(group.files)]
    return Group(
        "chosen",
        tuple(paths),
        peer=any(group.peer for group in needed),
        authentication=any(group.authentication for group in needed) and not all_of_it,
        cpus=max((group.cpus for group in needed), default=1),
    )


def arguments_of(group: Group) -> list[str]:
    """Return what pytest is given for a group."""
    return [file if "/" in file else f"{INSIDE}/{file}" for file in group.files]
