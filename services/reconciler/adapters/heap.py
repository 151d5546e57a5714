"""What the garbage collector need not look at again and again."""

import gc

_THRESHOLDS = (2_000, 10, 100)
"""A collection of what is young looks at 20,000 objects at most, in a few milliseconds; one of all
that has come since `settle` comes after two million more: tens of passes over a large cluster."""


def settle(*, collect: bool = False) -> None:
    """Leave all that there is by now out of garbage collections, for good.

    A collection of everything holds the event loop, a fifth of a second for ten thousand volumes,
    and finds nothing: what is known of the cluster is freed when nothing refers to it any more,
    with or without this. Only cycles that are garbage already stay.

    Args:
        collect: whether to look for those first, which takes as long as it takes.
    """
    gc.set_threshold(*_THRESHOLDS)
    if collect:
        gc.collect()
    gc.freeze()
