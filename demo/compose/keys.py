"""The keys of the compose file: who may talk to whom, made once and kept in volumes.

Each service has a directory of its own, so that none has another one's key.
"""

import datetime as dt
import os
import secrets
from pathlib import Path

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVERS = {
    "controller": "rds-csi-controller",
    "reconciler": "rds-csi-reconciler",
    "kubernetes": "kubernetes",
    "sre": "sre",
}
"""Whom the authority vouches for: host name (and directory), and common name."""

_LIFE = dt.timedelta(days=30)
_RENEW = dt.timedelta(days=1)


def ensure_keys(directory: Path) -> str:
    """Have all keys below a directory, and none that ends within a day; return what was done."""
    done = []
    if not (directory / "device" / "host-key").exists():
        _make_ssh_keys(directory)
        done.append("SSH keys")
    if not (directory / "account" / "token").exists():
        write_secret(directory / "account" / "token", secrets.token_hex(32).encode())
        write_secret(directory / "account" / "namespace", b"rds-csi")
        done.append("the token")
    if _ends_soon(directory / "sre" / "tls.crt"):
        _make_certificates(directory)
        done.append("certificates")
    return f"made {', '.join(done)}" if done else "everything is there already"


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; whoever reads it finds it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(path)


def _make_ssh_keys(directory: Path) -> None:
    """Make the device's key and the controller's, each of which the other one knows."""
    device = asyncssh.generate_private_key("ssh-ed25519")
    user = asyncssh.generate_private_key("ssh-ed25519")
    write_secret(directory / "controller" / "ssh-key", user.export_private_key())
    write_secret(directory / "controller" / "device-key.pub", device.export_public_key())
    write_secret(directory / "device" / "authorized-keys", user.export_public_key())
    write_secret(directory / "device" / "host-key", device.export_private_key())


def _ends_soon(path: Path) -> bool:
    if not path.exists():
        return True
    end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return end - dt.datetime.now(dt.UTC) < _RENEW


def _make_certificates(directory: Path) -> None:
    """Make an authority, have it sign for everybody, and forget its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("rds-csi demo authority")
    authority = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
    )
    pem = _pem(authority.sign(key, hashes.SHA256()))
    for host, common in SERVERS.items():
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(one) for one in (host, "localhost")])
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        signed = (
            _builder(_name(common), name, own)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        _write_pair(directory / host, own, _pem(signed), pem)
    write_secret(directory / "account" / "ca.crt", pem)


def _write_pair(
    directory: Path, key: ec.EllipticCurvePrivateKey, certificate: bytes, authority: bytes
) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_secret(directory / "ca.crt", authority)
    write_secret(directory / "tls.key", text)
    write_secret(directory / "tls.pem", certificate + text)  # both, for the API's stand-in
    write_secret(directory / "tls.crt", certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    """Return what a key is for; Python 3.13 verifies by RFC 5280, which wants it said."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
