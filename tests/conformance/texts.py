"""Texts that a plugin may be sent and must not trip over."""

ODD_IDS = [
    "../../etc/passwd",
    "a b",
    '"; /disk/remove',
    "\N{FLOPPY DISK}",
    "x" * 128,
    "%00",
    "@",
    "-",
    ".",
]
"""IDs that no plugin is likely to give out."""

LEGAL = {
    "one letter of four bytes": "\N{FLOPPY DISK}",
    "another script": "ディスク",
    "from right to left": "נפח",
    "combining marks": "e\u0301",
    "quotes": "\"'`",
    "for a shell": "; rm -rf $HOME | & > < * ?",
    "for a path": "../../etc/passwd",
    "percent signs": "%s%00%2e",
    "brackets": "[find]{}()",
    "backslashes": "\\n\\",
    "inner spaces": "a  b",
    "spaces at the ends": "  x  ",
    "capitals": "UPPER",
    "only dots": "...",
    "tab": "a\tb",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "no-break space": "a\u00a0b",
    "line separator": "a\u2028b",
    "zero width joiner": "a\u200db",
    "private use": "a\ue000b",
}
"""Endings of names that are allowed, although no store could use them as they are."""

BANNED = ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x0e", "\x1f", "\x7f", "\x85", "\x9f"]
"""Control characters that no name may have."""
