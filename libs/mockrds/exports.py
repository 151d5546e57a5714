"""What the simulated device exports, and the steps that bring an NVMe target to it.

A step is one change of the target's configuration. The rules that decide their order are those of
drivers/nvme/target/configfs.c of Linux: a namespace is placed while it is off, hosts are listed
only where not all are admitted, and a subsystem is configured whole before a port offers it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from libs.core.secret import Secret
from libs.mockrds.dhchap import secret_of


@dataclass(frozen=True, slots=True)
class Export:
    """A disk as it is offered to hosts.

    Attributes:
        nqn: of its subsystem.
        file: the backing file as `/file` spells it.
        size: in bytes.
        uuid: the same for as long as the disk is the same.
        port: the TCP port.
        hosts: NQNs of those who may connect; everybody if there are none.
        password: what hosts must know; empty if nothing.
    """

    nqn: str
    file: str
    size: int
    uuid: str
    port: int
    hosts: tuple[str, ...] = ()
    password: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True, order=True)
class Portal:
    """Where a target listens."""

    address: str
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """A host that may connect.

    Attributes:
        nqn: its NQN.
        key: the DH-CHAP key it must have, in the form `DHHC-1:...:`; empty if none.
    """

    nqn: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Subsystem:
    """A subsystem of a target with its one namespace, as it is or as it is wanted.

    Attributes:
        nqn: its name.
        path: of the backing file; empty while there is no namespace.
        uuid: of the namespace.
        size: bytes, as the target last looked; 0 while it is off, or where nobody knows.
        enabled: whether the namespace is on.
        any_host: whether every host is admitted.
        hosts: who is admitted otherwise.
        portals: where it is offered.
    """

    nqn: str
    path: str = ""
    uuid: str = ""
    size: int = 0
    enabled: bool = False
    any_host: bool = False
    hosts: frozenset[Host] = frozenset()
    portals: frozenset[Portal] = frozenset()


@dataclass(frozen=True, slots=True)
class Make:
    """Make a subsystem that is empty and admits nobody."""

    nqn: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a subsystem that is offered nowhere, is off and lists nobody."""

    nqn: str


@dataclass(frozen=True, slots=True)
class Place:
    """Put a backing file into a namespace that is off."""

    nqn: str
    path: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Enable:
    """Switch a namespace on; its file has this size."""

    nqn: str
    size: int


@dataclass(frozen=True, slots=True)
class Disable:
    """Switch a namespace off; what hosts do with it fails."""

    nqn: str


@dataclass(frozen=True, slots=True)
class Revalidate:
    """Look at the file's size again, and tell the hosts."""

    nqn: str
    size: int


@dataclass(frozen=True, slots=True)
class AdmitAll:
    """Admit every host to a subsystem that lists none, or stop doing so."""

    nqn: str
    on: bool


@dataclass(frozen=True, slots=True)
class Admit:
    """Admit one host."""

    nqn: str
    host: Host


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Admit a host no longer; a connection that it has stays."""

    nqn: str
    host: Host


@dataclass(frozen=True, slots=True)
class Link:
    """Offer a subsystem at a portal."""

    nqn: str
    portal: Portal


@dataclass(frozen=True, slots=True)
class Unlink:
    """Offer a subsystem at a portal no longer; connections end."""

    nqn: str
    portal: Portal


Step = (
    Make
    | Remove
    | Place
    | Enable
    | Disable
    | Revalidate
    | AdmitAll
    | Admit
    | Dismiss
    | Link
    | Unlink
)
State = Mapping[str, Subsystem]
"""Subsystems by NQN."""


def hosts_of(text: str) -> tuple[str, ...]:
    """Return the NQNs in `nvme-tcp-server-allow-host-name`; that it takes a list is a guess."""
    return tuple(dict.fromkeys(part for part in re.split(r"[,\s]+", text) if part))


def wanted_subsystem(export: Export, path: str, address: str, *, has_keys: bool) -> Subsystem:
    """Return the subsystem for an export.

    Args:
        export: what is offered.
        path: of the backing file.
        address: where the target listens.
        has_keys: whether the target can ask hosts for a key.
    """
    password = export.password.reveal() if has_keys else ""
    key = secret_of(password) if password else ""
    return Subsystem(
        nqn=export.nqn,
        path=path,
        uuid=export.uuid,
        size=export.size,
        enabled=True,
        any_host=not export.hosts,
        hosts=frozenset(Host(nqn, key) for nqn in export.hosts),
        portals=frozenset({Portal(address, export.port)}),
    )


def contested_host(wanted: State) -> str:
    """Return a host that would need two keys, which Linux cannot keep; empty if there is none."""
    keys: dict[str, str] = {}
    for host in (host for subsystem in wanted.values() for host in subsystem.hosts):
        if keys.setdefault(host.nqn, host.key) != host.key:
            return host.nqn
    return ""


def plan_steps(now: State, wanted: State, *, cut: bool) -> tuple[Step, ...]:
    """Return the steps from one state of a target to another; what is right is not touched.

    Args:
        now: what the target has.
        wanted: what it is to have.
        cut: whether connections end where a host is no longer admitted. Linux can end only those
            of all hosts of a subsystem; who is still admitted connects again.
    """
    gone = [now[nqn] for nqn in sorted(now.keys() - wanted.keys())]
    changes = [_change(now.get(nqn), wanted[nqn], cut=cut) for nqn in sorted(wanted)]
    steps: list[Step] = [step for subsystem in gone for step in _removal(subsystem)]
    # Who leaves a host leaves before another comes, since its key may change with that.
    steps += [step for first, _ in changes for step in first]
    steps += [step for _, then in changes for step in then]
    # All together: a host that finds the port and not yet its subsystem gives up (Linux 6.12).
    return tuple(sorted(steps, key=lambda step: isinstance(step, Link) - isinstance(step, Unlink)))


def _removal(now: Subsystem) -> Iterator[Step]:
    yield from (Unlink(now.nqn, portal) for portal in sorted(now.portals))
    if now.enabled:
        yield Disable(now.nqn)
    yield from (Dismiss(now.nqn, host) for host in sorted(now.hosts))
    if now.any_host:
        yield AdmitAll(now.nqn, on=False)
    yield Remove(now.nqn)


def _change(
    now: Subsystem | None, wanted: Subsystem, *, cut: bool
) -> tuple[list[Step], list[Step]]:
    """Return the steps that take something away, and those that give."""
    first: list[Step] = []
    if now is None:
        now = Subsystem(wanted.nqn)
        first.append(Make(wanted.nqn))
    is_other = (now.path, now.uuid) != (wanted.path, wanted.uuid)
    is_closed = is_other or (cut and _shuts_out(now, wanted))
    first += _taken(now, wanted, is_other=is_other, is_closed=is_closed)
    left = frozenset() if is_closed else now.portals & wanted.portals
    return first, [
        *([Place(wanted.nqn, wanted.path, wanted.uuid)] if is_other else []),
        *([AdmitAll(wanted.nqn, on=True)] if wanted.any_host and not now.any_host else []),
        *(Admit(wanted.nqn, host) for host in sorted(wanted.hosts - now.hosts)),
        *_switched_on(now, wanted, is_other=is_other),
        *(Link(wanted.nqn, portal) for portal in sorted(wanted.portals - left)),
    ]


def _taken(now: Subsystem, wanted: Subsystem, *, is_other: bool, is_closed: bool) -> Iterator[Step]:
    closed = now.portals if is_closed else now.portals - wanted.portals
    yield from (Unlink(now.nqn, portal) for portal in sorted(closed))
    if now.enabled and (is_other or not wanted.enabled):
        yield Disable(now.nqn)
    if now.any_host and not wanted.any_host:
        yield AdmitAll(now.nqn, on=False)
    yield from (Dismiss(now.nqn, host) for host in sorted(now.hosts - wanted.hosts))


def _switched_on(now: Subsystem, wanted: Subsystem, *, is_other: bool) -> Iterator[Step]:
    if wanted.enabled and (is_other or not now.enabled):
        yield Enable(wanted.nqn, wanted.size)
    elif wanted.enabled and now.size != wanted.size:
        yield Revalidate(wanted.nqn, wanted.size)


def _shuts_out(now: Subsystem, wanted: Subsystem) -> bool:
    left = {host.nqn for host in wanted.hosts}
    goes = now.any_host or any(host.nqn not in left for host in now.hosts)
    return goes and not wanted.any_host
