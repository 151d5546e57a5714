"""Kubernetes' quantities, as capacities have them. Pure.

Source: Kubernetes API conventions, "Resource Quantities" (apimachinery `resource.Quantity`).
"""

import re
from decimal import ROUND_CEILING, Decimal

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)"
    r"(?:(?P<unit>[KMGTPE]i|[numkMGTPE])|[eE](?P<power>[+-]?[0-9]{1,2}))?"
)
_UNITS = {
    **{unit: Decimal(1000) ** n for n, unit in enumerate("num", -3)},
    "": Decimal(1),
    "k": Decimal(1000),
    **{unit: Decimal(1000) ** n for n, unit in enumerate("MGTPE", 2)},
    **{f"{unit}i": Decimal(1024) ** n for n, unit in enumerate("KMGTPE", 1)},
}


def parse_quantity(text: str) -> int | None:
    """Return a quantity of bytes, a part of one counting as one; None for what is none."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    exact = Decimal(match["number"]) * _UNITS[match["unit"] or ""]
    exact *= Decimal(10) ** int(match["power"] or 0)
    return int(exact.to_integral_value(ROUND_CEILING))
