"""How to reach one device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from libs.core.secret import Secret
from libs.rdsclient.batch import BatchLimits


@dataclass(frozen=True, slots=True)
class RdsConfig:
    """The address, trust, credentials and limits of one device.

    Attributes:
        host: the management address.
        port: the SSH port.
        user: the RouterOS user, without the console suffix that the client adds.
        host_key: what the device's host key must be, as text: OpenSSH public keys, one a line
            (several while a key is being rotated), or the content of a known_hosts file.
        host_key_file: a file with the same. Files are read again at every connection, so that
            what has been rotated is used without a restart.
        check_host_key: False trusts whatever answers, which makes the password and every volume
            readable to whoever can answer in the device's place.
        key_file: private key (Ed25519, RSA or ECDSA).
        password: used where there is no key, or as a fallback.
        password_file: a file with the same.
        max_sessions: commands that run at once; RouterOS allows 20 sessions in all by default, and
            bursts have been seen to block it.
        connect_timeout: seconds for connecting and logging in.
        command_timeout: seconds for one command, including the wait for a free session.
        keepalive_interval: seconds without an answer after which the device is asked for one.
        keepalive_timeout: seconds to wait for that answer before the connection counts as dead.
        batch: how many waiting commands go into one exec.
        reply_form: `json` or `text` to insist on a form of listings; `auto` takes JSON where the
            release has it.
    """

    host: str
    port: int = 22
    user: str = "rds-csi"
    host_key: str = ""
    host_key_file: Path | None = None
    check_host_key: bool = True
    key_file: Path | None = None
    password: Secret | None = None
    password_file: Path | None = None
    max_sessions: int = 8
    connect_timeout: float = 10.0
    command_timeout: float = 30.0
    keepalive_interval: float = 5.0
    keepalive_timeout: float = 5.0
    batch: BatchLimits = BatchLimits()
    reply_form: Literal["auto", "json", "text"] = "auto"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"
