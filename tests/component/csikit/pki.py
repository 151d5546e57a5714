"""Certificates for mutual TLS, in directories as the kubelet makes them of Secrets."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libs.csikit.tls import TlsFiles

HOUR = timedelta(hours=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Pki:
    """An authority, and the certificates that it signs."""

    def __init__(self, name: str = "authority") -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        basic = x509.BasicConstraints(ca=True, path_length=None)
        now = datetime.now(UTC)
        builder = self._builder(self._name, self._key, now - HOUR, now + HOUR)
        signed = builder.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())
        self.certificate = signed.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )

    def issue(
        self, common: str, names: Sequence[str] = (), *, expired: bool = False, server: bool = False
    ) -> tuple[bytes, bytes]:
        """Return a certificate and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        end = now - timedelta(minutes=1) if expired else now + HOUR
        builder = self._builder(_name(common), key, now - HOUR, end)
        if names:
            alternative = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


class Mounted:
    """A Secret's files: links into a directory that is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0
        directory.mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (directory / name).symlink_to(Path("..data") / name)
        self.files = TlsFiles(directory / "tls.crt", directory / "tls.key", directory / "ca.crt")

    def put(self, pair: tuple[bytes, bytes], *authorities: Pki) -> "Mounted":
        """Replace all files at once."""
        self._count += 1
        fresh = self._directory / f"..{self._count}"
        fresh.mkdir()
        (fresh / "tls.crt").write_bytes(pair[0])
        (fresh / "tls.key").write_bytes(pair[1])
        (fresh / "ca.crt").write_bytes(b"".join(one.certificate for one in authorities))
        link = self._directory / "..next"
        link.symlink_to(fresh.name)
        link.rename(self._directory / "..data")
        old = self._directory / f"..{self._count - 1}"
        shutil.rmtree(old, ignore_errors=True)
        return self
