"""Where an admin API is served and to whom, and what must not be left open."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Exposure:
    """The settings of an admin API, the same in every service.

    Attributes:
        address: a unix socket or a TCP address; None to serve nothing.
        certificate: our own certificate.
        key: its private key.
        authority: the authorities of callers' certificates.
        allowed: names in certificates of those who may call; empty for all who have one.
        insecure: whether TCP may be served to others without TLS.
    """

    address: Path | TcpAddress | None
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    allowed: tuple[str, ...] = ()
    insecure: bool = False

    @property
    def tls(self) -> TlsFiles | None:
        """The certificates, where there are any."""
        if self.certificate is None or self.key is None or self.authority is None:
            return None
        return TlsFiles(self.certificate, self.key, self.authority)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the settings, in the words of the flags."""
        files = (self.certificate, self.key, self.authority)
        if any(files) and not all(files):
            yield "--admin-tls-cert, --admin-tls-key and --admin-tls-ca are required together"
        if any(files) and isinstance(self.address, Path):
            yield "--admin-tls-cert is for a tcp:// endpoint; a unix socket is its owner's alone"
        if self.allowed and not any(files):
            yield "--admin-allowed-clients needs --admin-tls-ca: names come from certificates"
        if not isinstance(self.address, TcpAddress) or any(files):
            return
        if not self.address.is_loopback and not self.insecure:
            yield (
                "--admin-tls-cert, --admin-tls-key and --admin-tls-ca are required at an address "
                "that others reach (or, for experiments, --admin-insecure=true)"
            )


def parse_optional_address(text: str) -> Path | TcpAddress | None:
    """Read an address as a setting; empty for none.

    Raises:
        InvalidRequest: it is neither a unix socket nor a TCP address.
    """
    return parse_address(text, "it") if text else None


def parse_names(text: str) -> tuple[str, ...]:
    """Read names, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
