"""What to do about a failure, in a sentence for whoever looks at a claim. Pure."""

from libs.core.errors import (
    Busy,
    Conflict,
    Exhausted,
    InUse,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfRange,
    RdsCsiError,
    Unreachable,
)

_ADVICE: tuple[tuple[type[RdsCsiError], str], ...] = (
    (
        Exhausted,
        "Free room on the device or make the pool larger, or ask for less; it is tried again.",
    ),
    (
        OutOfRange,
        "Ask for a size within the limits; a claim that exists has to be made anew.",
    ),
    (
        InvalidRequest,
        "Correct what is named here in the claim, or in a StorageClass that is made anew.",
    ),
    (
        Conflict,
        "There is another volume of this name on the device; see `rdsctl volume`.",
    ),
    (NotFound, "See whether what the claim is a copy of is still there."),
    (InUse, "It is tried again; it succeeds once what is named here has ended."),
    (Busy, "Nothing: it is being made, and tried again."),
    (
        Unreachable,
        "The device is away, or the API server: see `rdsctl status`. It is tried again.",
    ),
    (
        OutcomeUnknown,
        "Nothing: the device did not say whether it is made; the next try finds out.",
    ),
)

_OTHERWISE = "See the controller's log, where the device's own words are; it is tried again."


def next_step(error: RdsCsiError) -> str:
    """Return what to do about a volume that could not be made."""
    for family, advice in _ADVICE:
        if isinstance(error, family):
            return advice
    return _OTHERWISE
