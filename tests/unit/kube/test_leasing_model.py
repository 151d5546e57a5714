"""Several candidates, an API that loses and delays, clocks that differ: never two that may act."""

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from libs.kube.leasing import (
    Create,
    Lease,
    LeaseOptions,
    Renew,
    Standing,
    Take,
    doubt,
    held,
    lose,
    plan,
    released,
    see,
    win,
)

CANDIDATES = 3


@dataclass
class Server:
    """Keeps one Lease, and changes it only as it was read."""

    lease: Lease | None = None
    version: int = 0

    def write(self, lease: Lease, *, is_new: bool) -> Lease | None:
        if is_new != (self.lease is None):
            return None
        if self.lease is not None and lease.version != self.lease.version:
            return None
        self.version += 1
        self.lease = replace(lease, version=str(self.version), uid="u")
        return self.lease


@dataclass
class Request:
    """A request on its way, and its answer."""

    sent: float
    lease: Lease | None = None
    is_new: bool = False
    is_served: bool = False
    answer: Lease | None = None


@dataclass
class Candidate:
    """A process with a clock of its own: `rate` seconds for each of the world's, after `offset`."""

    options: LeaseOptions
    offset: float
    rate: float
    standing: Standing = field(default_factory=Standing)
    request: Request | None = None

    def clock(self, now: float) -> float:
        return self.offset + self.rate * now


# Of two clocks the one may be faster by less than duration / deadline = 1.5.
rates = st.floats(0.85, 1.2)
offsets = st.floats(-1e5, 1e5)
numbers = st.integers(0, CANDIDATES - 1)


class Election(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.server = Server()
        self.candidates: list[Candidate] = []
        self.strays: list[Request] = []
        self.born = 0

    @initialize(clocks=st.lists(st.tuples(offsets, rates), min_size=3, max_size=3))
    def begin(self, clocks: list[tuple[float, float]]) -> None:
        self.candidates = [self.born_with(offset, rate) for offset, rate in clocks]

    def born_with(self, offset: float, rate: float) -> Candidate:
        self.born += 1
        return Candidate(LeaseOptions("ns", "lease", f"c{self.born}"), offset, rate)

    @rule(seconds=st.sampled_from([0.1, 1, 2, 4, 9, 10, 11, 14.9, 16, 100]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=numbers)
    def send(self, number: int) -> None:
        one = self.candidates[number]
        if one.request is not None:
            return
        sent = one.clock(self.now)
        step = plan(one.standing, sent, one.options)
        old = step.lease if isinstance(step, Take | Renew) else None
        is_write = isinstance(step, Create | Take | Renew)
        lease = held(old, one.options, self.now) if is_write else None
        one.request = Request(sent, lease, is_new=isinstance(step, Create))

    @rule(number=numbers)
    def serve(self, number: int) -> None:
        request = self.candidates[number].request
        if request is not None and not request.is_served:
            self.handle(request)

    def handle(self, request: Request) -> None:
        request.is_served = True
        if request.lease is None:
            request.answer = self.server.lease
        else:
            request.answer = self.server.write(request.lease, is_new=request.is_new)

    @rule(number=numbers)
    def answer(self, number: int) -> None:
        one = self.candidates[number]
        request = one.request
        if request is None or not request.is_served:
            return
        one.request = None
        if request.lease is None:
            one.standing = see(one.standing, request.answer, one.clock(self.now), one.options)
        elif request.answer is None:
            one.standing = doubt(one.standing)
        else:
            one.standing = win(one.standing, request.answer, request.sent, one.options)

    @rule(number=numbers)
    def whole_turn(self, number: int) -> None:
        for _ in range(2):
            self.send(number)
            self.serve(number)
            self.answer(number)

    @rule(number=numbers, seconds=st.integers(1, 20))
    def one_is_cut_off_or_stopped_for_a_while(self, number: int, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            for other in range(CANDIDATES):
                if other != number:
                    self.whole_turn(other)
                self.never_two_may_act()

    @rule(number=numbers)
    def break_off(self, number: int) -> None:
        one = self.candidates[number]
        if one.request is None:
            return
        if not one.request.is_served:
            self.strays.append(one.request)  # the network may still deliver it
        one.request, one.standing = None, doubt(one.standing)

    @precondition(lambda self: self.strays)
    @rule()
    def a_stray_request_arrives(self) -> None:
        self.handle(self.strays.pop(0))

    @rule(number=numbers)
    def die_and_come_back_as_another(self, number: int) -> None:
        one = self.candidates[number]
        if one.request is not None and not one.request.is_served:
            self.strays.append(one.request)
        self.candidates[number] = self.born_with(one.offset, one.rate)

    @rule(number=numbers)
    def give_back(self, number: int) -> None:
        one = self.candidates[number]
        lease = one.standing.lease
        if one.request is None and lease is not None and lease.holder == one.options.identity:
            one.standing = lose(one.standing)
            self.handle(Request(0.0, released(lease, self.now)))

    @invariant()
    def never_two_may_act(self) -> None:
        acting = [
            one.options.identity
            for one in self.candidates
            if one.standing.may_act(one.clock(self.now))
        ]
        assert len(acting) <= 1, acting

    @invariant()
    def who_may_act_has_the_lease(self) -> None:
        for one in self.candidates:
            if one.standing.may_act(one.clock(self.now)):
                assert self.server.lease is not None
                assert self.server.lease.holder == one.options.identity


Election.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestElection = Election.TestCase


def test_somebody_leads_in_the_end_whatever_happened_before() -> None:
    world = Election()
    world.candidates = [world.born_with(0, 1), world.born_with(5e4, 1.2), world.born_with(-9, 0.9)]
    world.whole_turn(0)
    world.die_and_come_back_as_another(0)

    for _ in range(20):
        world.time_passes(1)
        for number in range(CANDIDATES):
            world.whole_turn(number)
        world.never_two_may_act()

    leaders = [c for c in world.candidates if c.standing.may_act(c.clock(world.now))]
    assert len(leaders) == 1
    assert world.server.lease is not None
    assert world.server.lease.transitions == 1
