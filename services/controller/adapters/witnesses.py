"""Who is told of what happens: several as one, and the stream of security events."""

import structlog

from libs.core.security import SecurityEvent, record
from services.controller.happenings import Attached, Detached, Happening
from services.controller.ports import Witness

log = structlog.get_logger(__name__)


class Witnesses:
    """Several witnesses as one; what one of them cannot take in does not keep it from the rest."""

    def __init__(self, *witnesses: Witness) -> None:
        self._witnesses = witnesses

    def saw(self, what: Happening) -> None:
        """Tell each of them."""
        for witness in self._witnesses:
            try:
                witness.saw(what)
            except Exception:  # the call that it happened in goes on all the same
                log.exception("not taken note of", what=type(what).__name__)


class SecurityLog:
    """Writes what concerns security: whom the device was told to shut out or to let in."""

    def saw(self, what: Happening) -> None:
        """Write it, if it does."""
        match what:
            case Detached(shut_out=True):
                node = what.node.text if what.node else "all nodes"
                record(log, SecurityEvent.FENCED, "shut out", volume=what.volume.text, node=node)
            case Attached(let_in=True):
                record(
                    log,
                    SecurityEvent.ADMITTED,
                    "let in",
                    volume=what.volume.text,
                    node=what.node.text,
                )
            case _:
                pass
