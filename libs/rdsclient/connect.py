"""Opening one SSH connection: trust, credentials, and an error that says what was wrong."""

import asyncio
import contextlib
from dataclasses import dataclass

import asyncssh
import structlog

from libs.core.errors import RdsCsiError, Unreachable
from libs.core.secret import Secret
from libs.core.security import SecurityEvent, record
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.errors import DeviceAway, HostKeyRefused, LoginRefused

log = structlog.get_logger(__name__)

CONSOLE = "+cet1024w"
"""Login suffix: no colours, dumb terminal, no detection, 1024 columns (manual, Console login)."""

_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")

Trust = tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files of a configuration hold at this moment."""

    host_key: str
    keys: list[asyncssh.SSHKey]
    password: str | None


def parse_trust(config: RdsConfig, host_key: str) -> Trust | asyncssh.SSHKnownHosts | None:
    """Return what asyncssh is to trust; None trusts everything.

    Raises:
        HostKeyRefused: checking is on and there is no key to check against, or it can't be read.
    """
    if not config.check_host_key:
        return None
    lines = [line.strip() for line in host_key.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise HostKeyRefused("host key checking is on, but no host key of the device is configured")
    try:
        if lines[0].startswith(_KEY_TYPES):
            return ([asyncssh.import_public_key(line) for line in lines], [], [])
        return asyncssh.import_known_hosts("\n".join(lines))
    except (asyncssh.KeyImportError, ValueError) as error:
        raise HostKeyRefused(
            "the configured host key cannot be read: it must be OpenSSH public keys, one a line, "
            "or known_hosts lines",
            detail=str(error),
        ) from error


async def connect(config: RdsConfig) -> asyncssh.SSHClientConnection:
    """Connect and log in within the configured time.

    Raises:
        Unreachable: in one of its forms: the address does not answer (DeviceAway), the host key is
            another one (HostKeyRefused), or the login is refused (LoginRefused).
    """
    files = await asyncio.to_thread(_read_files, config)
    trust = parse_trust(config, files.host_key)
    if trust is None:
        record(
            log,
            SecurityEvent.HOST_KEY_UNCHECKED,
            "host key checking is off",
            device=config.address,
        )
    try:
        async with asyncio.timeout(config.connect_timeout):
            return await asyncssh.connect(
                config.host,
                config.port,
                username=config.user + CONSOLE,
                password=files.password,
                client_keys=files.keys or None,
                known_hosts=trust,
                agent_path=None,
                config=None,  # the process's user may have an ~/.ssh/config of their own
                keepalive_interval=0,  # RouterOS may not answer it: SshTransport asks a command
            )
    except RdsCsiError:
        raise
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise await _host_key_refused(config, trust, error) from error
    except asyncssh.PermissionDenied as error:
        raise LoginRefused(
            f"the device at {config.address} does not let user {config.user!r} log in",
            detail=str(error),
        ) from error
    except TimeoutError as error:
        raise DeviceAway(
            f"the device at {config.address} did not answer within {config.connect_timeout:g} s"
        ) from error
    except (asyncssh.Error, OSError) as error:
        raise DeviceAway(
            f"the device at {config.address} cannot be reached", detail=str(error)
        ) from error


def _read_files(config: RdsConfig) -> _Files:
    host_key, password = config.host_key, config.password
    keys = []
    try:
        if config.host_key_file is not None:
            host_key = config.host_key_file.read_text()
        if config.password_file is not None:
            password = Secret(config.password_file.read_text().strip())
        if config.key_file is not None:
            keys = [asyncssh.read_private_key(config.key_file)]
    except (OSError, UnicodeDecodeError, asyncssh.KeyImportError) as error:
        raise LoginRefused(
            "a file with a key or password for the device cannot be read", detail=str(error)
        ) from error
    return _Files(host_key, keys, password.reveal() if password else None)


async def _host_key_refused(
    config: RdsConfig, trust: Trust | asyncssh.SSHKnownHosts | None, error: Exception
) -> Unreachable:
    shown = None
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        async with asyncio.timeout(config.connect_timeout):
            shown = await asyncssh.get_server_host_key(config.host, config.port, config=None)
    pinned = trust[0] if isinstance(trust, tuple) else []
    if shown is not None and shown in pinned:
        # The keys agree, so the exchange failed over something else.
        return DeviceAway(
            f"no SSH connection could be agreed with the device at {config.address}",
            detail=str(error),
        )
    return HostKeyRefused(
        f"the device at {config.address} shows host key "
        f"{shown.get_fingerprint() if shown else '(unknown)'}, but pinned is "
        f"{', '.join(key.get_fingerprint() for key in pinned) or 'another (in known_hosts)'}; if "
        "the key was changed on purpose, configure the new one",
        detail=str(error),
    )
