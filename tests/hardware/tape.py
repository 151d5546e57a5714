"""A client whose every line and answer is kept, and which can be forbidden to change anything."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.rdsclient.client import RdsClient
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.execs import Reply
from libs.rdsclient.link import Link
from libs.rdsclient.transport import SshTransport
from tests.hardware.model import Exchange

MASK = "***"
FORM = 1
"""Of a transcript; it goes up when old ones can no longer be read."""

_SECRET = re.compile(
    r'("?(?:[a-z-]*(?:password|secret|encryption-key|serial|serial-number))"?[=:] ?)'
    r'("(?:[^"\\]|\\.)+"|[^\s,;}"]+)'
)
"""Properties that are nobody's business, in the text form, in JSON and in what is sent."""

_CHANGING = re.compile(
    r"(?<![\w-])(?:add|set|remove|copy|move|unset|disable|enable|format|format-drive|reset|import"
    r"|reboot|shutdown|trim|scrub|balance)(?![\w=-])"
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def changes(line: str) -> bool:
    """Whether a line could change something, whoever wrote it."""
    return _CHANGING.search(_QUOTED.sub('""', line)) is not None


@dataclass
class Tape:
    """What was said.

    Attributes:
        hidden: texts that must not appear in it, and what is shown in their place.
        asking: the question that is in hand.
        exchanges: oldest first.
    """

    hidden: dict[str, str] = field(default_factory=dict)
    asking: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    def hide(self, text: str, shown: str = MASK) -> None:
        """Mask a text from now on, and in what is on the tape."""
        if text:
            self.hidden[text] = shown
            self.exchanges[:] = [
                Exchange(
                    **asdict(one) | {"line": self.clean(one.line), "answer": self.clean(one.answer)}
                )
                for one in self.exchanges
            ]

    def clean(self, text: str) -> str:
        for word, shown in sorted(self.hidden.items(), key=lambda item: -len(item[0])):
            parts = re.split(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text)
            text = shown.join(parts)
        return _SECRET.sub(rf'\1"{MASK}"', text)

    def keep(self, line: str, begun: float, reply: Reply | None, failure: str) -> None:
        seconds = round(asyncio.get_running_loop().time() - begun, 3)
        answer, status = (reply.text, reply.status) if reply else ("", None)
        self.exchanges.append(
            Exchange(self.asking, self.clean(line), self.clean(answer), status, seconds, failure)
        )

    def of(self, question: str) -> tuple[Exchange, ...]:
        return tuple(one for one in self.exchanges if one.question == question)

    def document(self, device: dict[str, str]) -> dict[str, Any]:
        """Return it as a transcript."""
        said = [asdict(one) for one in self.exchanges]
        return {"form": FORM, "device": device, "exchanges": said}


class _TapedLink(Link):
    def __init__(self, transport: "TapedTransport", tape: Tape, *, read_only: bool) -> None:
        super().__init__(transport.config, transport._pump, transport.observer)  # noqa: SLF001
        self._tape, self._read_only = tape, read_only

    async def run_line(self, line: str) -> Reply:
        if self._read_only and changes(line):
            raise InvalidRequest("this run only looks; a line that changes something is not sent")
        begun, reply, failure = asyncio.get_running_loop().time(), None, "it was broken off"
        try:
            reply = await super().run_line(line)
            failure = ""
        except RdsCsiError as error:
            failure = type(error).__name__
            raise
        finally:
            self._tape.keep(line, begun, reply, failure)
        return reply


class TapedTransport(SshTransport):
    """A transport that keeps what goes over it."""

    def __init__(self, config: RdsConfig, tape: Tape, *, read_only: bool) -> None:
        super().__init__(config)
        self.link = _TapedLink(self, tape, read_only=read_only)
        self._read_only = read_only

    async def run(self, command: Command) -> Reply:
        if self._read_only and command.changes:
            raise InvalidRequest("this run only looks; a change is not sent")
        return await super().run(command)


@contextlib.asynccontextmanager
async def open_taped(
    config: RdsConfig, tape: Tape, *, read_only: bool
) -> AsyncIterator[tuple[RdsClient, TapedTransport]]:
    """Own a client and its connection, for verbs and for lines of one's own."""
    transport = TapedTransport(config, tape, read_only=read_only)
    keeper = asyncio.create_task(transport.link.keep_connected())
    try:
        yield RdsClient(transport), transport
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await transport.aclose()
