"""How to ask a device over SNMP."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from libs.core.errors import InvalidRequest
from libs.core.secret import Secret

SNMP_PORT = 161
_LEAST_PASSWORD = 8
"""Characters of a USM password (RFC 3414, 11.2)."""


@dataclass(frozen=True, slots=True)
class SnmpConfig:
    """The address and credentials of a device's SNMP agent.

    Attributes:
        host: the management address.
        port: the UDP port.
        version: `2c`, which sends its community in the clear, or `3`.
        community_file: of version 2c, a file with the community.
        user: of version 3, the name.
        auth_password_file: of version 3, a file with the password that signs (SHA).
        privacy_password_file: of version 3, a file with the password that encrypts (AES-128).
        timeout: seconds that one question waits for its answer.
        retries: how often it is asked again: a datagram may get lost.
    """

    host: str
    port: int = SNMP_PORT
    version: Literal["2c", "3"] = "2c"
    community_file: Path | None = None
    user: str = ""
    auth_password_file: Path | None = None
    privacy_password_file: Path | None = None
    timeout: float = 1.0
    retries: int = 1

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the files of a configuration hold at this moment."""

    community: Secret = Secret("")
    auth: Secret = Secret("")
    privacy: Secret = Secret("")


def read_credentials(config: SnmpConfig) -> Credentials:
    """Read the files anew, so that what was rotated is used without a restart. It blocks.

    Raises:
        InvalidRequest: a file that the version needs is not given, cannot be read, or holds
            nothing that could be a credential.
    """
    if config.version == "2c":
        community = _read(config.community_file, "SNMP 2c needs a file with the community")
        return Credentials(community=community)
    if not config.user:
        raise InvalidRequest("SNMP 3 needs the name of a user")
    auth = _read(config.auth_password_file, "SNMP 3 needs a file with the password that signs")
    privacy = _read(
        config.privacy_password_file, "SNMP 3 needs a file with the password that encrypts"
    )
    if any(len(secret.reveal()) < _LEAST_PASSWORD for secret in (auth, privacy)):
        raise InvalidRequest(f"passwords of SNMP 3 have at least {_LEAST_PASSWORD} characters")
    return Credentials(auth=auth, privacy=privacy)


def _read(path: Path | None, needed: str) -> Secret:
    if path is None:
        raise InvalidRequest(needed)
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{needed}, which cannot be read", detail=str(error)) from error
    if not text:
        raise InvalidRequest(f"{needed}, which is empty", detail=str(path))
    return Secret(text)
