"""What the parts of a run tell each other, as JSON."""

from dataclasses import dataclass, field


@dataclass
class Baseline:
    """What the tests do where nothing is changed.

    Attributes:
        lines: of the module: which tests come to it; "" for the import.
        seconds: how long each test takes.
    """

    lines: dict[str, list[str]]
    seconds: dict[str, float]


@dataclass
class Order:
    """What a worker has to do.

    Attributes:
        module: whose mutants.
        path: its file, from the root of the tree.
        texts: whether sentences are changed, too.
        baseline: of its tests.
        graph: the file that says who imports whom.
        warm: what to collect before the first mutant, so that pytest is there.
        killers: by the mutant's key: the test that killed it the last time.
        only: the keys of the mutants to try; all where it is empty.
        share, shares: every how many-th of them.
    """

    module: str
    path: str
    texts: bool
    baseline: Baseline
    graph: str
    warm: list[str] = field(default_factory=list)
    killers: dict[str, str] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    share: int = 0
    shares: int = 1


@dataclass
class Outcome:
    """What came of a mutant.

    Attributes:
        key: the same mutant in another version of the module.
        line, text, before, after: where it is, and what it changes.
        outcome: killed, timeout, survived, or broken (the tests could not be found).
        test: which one failed.
        seconds: how long it took.
        tests: how many tests come to it.
    """

    key: str
    line: int
    text: str
    before: str
    after: str
    outcome: str
    test: str
    seconds: float
    tests: int
