"""DH-CHAP secrets as Linux spells them."""

import base64
import hashlib
import re
import zlib

_FORM = re.compile(r"DHHC-1:0[0-3]:[A-Za-z0-9+/]{43,96}={0,2}:", re.ASCII)


def secret_of(password: str) -> str:
    """Return the secret that hosts need where a disk has this password.

    A password in the form of a secret is one. How the device derives `nvme-tcp-server-secret`
    from any other is not known; here the key is the password's SHA-256. The form is that of NVMe
    TP 8006 as drivers/nvme/common/auth.c of Linux reads it: `DHHC-1:00:` and in base64 the key,
    with its CRC-32, the lowest byte first.
    """
    if _FORM.fullmatch(password):
        return password
    key = hashlib.sha256(password.encode()).digest()
    checked = key + zlib.crc32(key).to_bytes(4, "little")
    return f"DHHC-1:00:{base64.b64encode(checked).decode()}:"
