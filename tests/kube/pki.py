"""Certificates of a control plane that lives for an hour."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PKCS8 = serialization.PrivateFormat.PKCS8
_PEM = serialization.Encoding.PEM
_OPEN = serialization.NoEncryption()


class Pki:
    """An authority, and what it has signed, as files in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("rds-csi test control plane", "")
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.authority.write_bytes(certificate.public_bytes(_PEM))
        self._write_key("ca", self._key)

    @property
    def authority(self) -> Path:
        return self.directory / "ca.crt"

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )

    def _write_key(self, file: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        path = self.directory / f"{file}.key"
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(_PEM, _PKCS8, _OPEN))

    def client_context(self) -> ssl.SSLContext:
        """Return what trusts this authority alone."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def add_server(self, file: str, *addresses: str) -> None:
        """Write a server's certificate and key."""
        names = [x509.IPAddress(ip_address(address)) for address in addresses]
        self._sign(file, _name(file, ""), names)

    def add_client(self, file: str, user: str, group: str = "") -> None:
        """Write the certificate and key of a user of the API."""
        self._sign(file, _name(user, group), [])

    def _sign(self, file: str, name: x509.Name, addresses: list[x509.IPAddress]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if addresses else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(name, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if addresses:
            alternative = x509.SubjectAlternativeName(addresses)
            builder = builder.add_extension(alternative, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        (self.directory / f"{file}.crt").write_bytes(signed.public_bytes(_PEM))
        self._write_key(file, key)

    def add_signing_key(self, file: str) -> None:
        """Write the key pair that signs the tokens of service accounts."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._write_key(file, key)
        public = key.public_key().public_bytes(
            _PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.directory / f"{file}.pub").write_bytes(public)


def _name(user: str, group: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)
