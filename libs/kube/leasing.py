"""Who leads, decided from what a Lease says and from one's own clock alone. Pure.

Two candidates never compare their clocks. Who leads may act until `deadline` seconds after the
moment *before* its last successful renewal was sent; who waits takes the Lease only when it has not
seen it change for `duration` seconds, counted from the moment *after* it was read. As the deadline
is the shorter one, and as each change of the Lease is conditional on the version that was read, the
first has stopped before the second begins, whatever time their wall clocks show, and as long as
neither of their steady clocks runs faster than the other by a factor of duration / deadline.

The one thing that this does not cover is a Lease that somebody deletes: who has never seen it takes
it at once.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from libs.core.errors import InvalidRequest
from libs.kube.answers import Object

NEVER = float("-inf")

API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """Which Lease, and who asks for it.

    Attributes:
        namespace: where the Lease is.
        name: its name.
        identity: tells this process from all others, also from the one before it in the same pod.
        duration: seconds after which others may take a Lease that was not renewed.
        deadline: seconds after a renewal for which the leader may act.
        retry: seconds between two renewals, and between two looks of those who wait.
    """

    namespace: str
    name: str
    identity: str
    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        """Check that the times leave room for each other.

        Raises:
            InvalidRequest: they do not, or the identity is empty.
        """
        if not self.identity:
            raise InvalidRequest("the identity of a candidate must not be empty")
        if not self.duration > self.deadline > self.retry > 0:
            raise InvalidRequest(
                "the lease's duration must be longer than the renew deadline, and that longer than "
                f"the retry period: not {self.duration:g}, {self.deadline:g}, {self.retry:g} s"
            )

    @property
    def collection(self) -> str:
        """The path of the namespace's Leases."""
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        """The path of the Lease."""
        return f"{self.collection}/{self.name}"


@dataclass(frozen=True, slots=True)
class Lease:
    """What a Lease says.

    Attributes:
        holder: the identity of who has it; empty after a release.
        duration: seconds that the holder was promised.
        acquired: when it was taken, by the holder's wall clock; for people.
        renewed: when it was last renewed, likewise: only that it changes counts.
        transitions: how often it went from one holder to the next.
        version: the object's resourceVersion.
        uid: tells it from an earlier one of the same name.
    """

    holder: str
    duration: float
    acquired: str
    renewed: str
    transitions: int
    version: str
    uid: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What a candidate knows. All times are of its own steady clock.

    Attributes:
        is_known: whether `lease` is what was there at the last look.
        lease: the Lease; None where there is none.
        seen_at: when it was first seen as it is.
        until: before this moment the candidate may act.
    """

    is_known: bool = False
    lease: Lease | None = None
    seen_at: float = NEVER
    until: float = NEVER

    def may_act(self, now: float) -> bool:
        """Whether what a leader does may be done now."""
        return now < self.until


@dataclass(frozen=True, slots=True)
class Look:
    """Read the Lease."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the Lease, which is not there."""


@dataclass(frozen=True, slots=True)
class Take:
    """Take the Lease from a holder that is gone, as it was read."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Renew:
    """Renew what is ours."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """Another one has it, for at least so many seconds."""

    seconds: float


Step = Look | Create | Take | Renew | Wait


def see(standing: Standing, lease: Lease | None, now: float, options: LeaseOptions) -> Standing:
    """Return what is known after a look at the Lease whose answer came at `now`."""
    is_ours = lease is not None and lease.holder == options.identity
    until = standing.until if is_ours else NEVER
    # One that has vanished may have been renewed until just now; with none at the first look there
    # has been no leader that is known of: it is as it was, and was never seen to change.
    seen_at = standing.seen_at if lease == standing.lease else now
    return Standing(is_known=True, lease=lease, seen_at=seen_at, until=until)


def plan(standing: Standing, now: float, options: LeaseOptions) -> Step:
    """Return what is to be done next."""
    lease = standing.lease
    if not standing.is_known:
        return Look()
    if lease is not None and lease.holder == options.identity:
        return Renew(lease)
    if lease is not None and not lease.holder:
        return Take(lease)
    promised = max(options.duration, lease.duration if lease else 0.0)
    left = standing.seen_at + promised - now
    if left > 0:
        return Wait(left)
    return Create() if lease is None else Take(lease)


def win(standing: Standing, lease: Lease, sent: float, options: LeaseOptions) -> Standing:
    """Return what is known after a Lease was taken or renewed.

    Args:
        standing: what was known before.
        lease: as the answer says that it is now.
        sent: the moment before the request was sent.
        options: who asks.
    """
    if lease.holder != options.identity:
        return doubt(standing)
    return Standing(is_known=True, lease=lease, seen_at=sent, until=sent + options.deadline)


def doubt(standing: Standing) -> Standing:
    """Return what is known after a request whose answer did not come, or was a refusal.

    The right to act is left as it is: it ends by itself.
    """
    return replace(standing, is_known=False)


def lose(standing: Standing) -> Standing:
    """Return what is known by one who must not act any more."""
    return replace(standing, is_known=False, until=NEVER)


# The Lease's form


def read_lease(item: Object) -> Lease:
    """Read a Lease object; what is missing counts as nothing."""
    spec, metadata = item.get("spec") or {}, item.get("metadata") or {}
    return Lease(
        holder=str(spec.get("holderIdentity") or ""),
        duration=float(spec.get("leaseDurationSeconds") or 0),
        acquired=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=str(metadata.get("resourceVersion") or ""),
        uid=str(metadata.get("uid") or ""),
    )


def held(old: Lease | None, options: LeaseOptions, wall: float) -> Lease:
    """Return the Lease as this candidate writes it, over `old`, at a wall clock's time."""
    identity, duration, now = options.identity, math.ceil(options.duration), micro_time(wall)
    if old is None:
        return Lease(identity, duration, now, now, transitions=0, version="", uid="")
    if old.holder == identity:
        return replace(old, duration=duration, acquired=old.acquired or now, renewed=now)
    transitions = old.transitions + 1
    return Lease(identity, duration, now, now, transitions, old.version, old.uid)


def released(old: Lease, wall: float) -> Lease:
    """Return the Lease as its holder leaves it behind: the next one need not wait."""
    return replace(old, holder="", duration=1, renewed=micro_time(wall))


def render_spec(lease: Lease) -> Object:
    """Return the spec of a Lease object."""
    return {
        "holderIdentity": lease.holder,
        "leaseDurationSeconds": int(lease.duration),
        "acquireTime": lease.acquired or None,
        "renewTime": lease.renewed,
        "leaseTransitions": lease.transitions,
    }


def render_change(lease: Lease) -> Object:
    """Return the merge patch that makes a Lease what it is to be, if it still is what was read."""
    known = {"uid": lease.uid, "resourceVersion": lease.version}
    metadata = {key: value for key, value in known.items() if value}
    return {"metadata": metadata, "spec": render_spec(lease)}


def render_new(lease: Lease, options: LeaseOptions) -> Object:
    """Return a whole Lease object."""
    metadata = {"name": options.name, "namespace": options.namespace}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": render_spec(lease),
    }


def micro_time(wall: float) -> str:
    """Return a time as the API's MicroTime (RFC 3339 with six digits)."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
