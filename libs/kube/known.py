"""What was known of a collection at one moment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A collection as it was known at one moment.

    Of several that were taken without waiting in between, all are of the same moment.

    Attributes:
        values: by the name of the object.
        is_complete: whether a whole listing is in it, and all that happened since then, up to
            `age` seconds ago. False before the first listing, and while a gap is being closed.
        is_served: whether the server has such objects at all; False where a
            CustomResourceDefinition is not installed: nothing may be concluded from the lack.
        age: seconds since the server last said something about the collection; infinite before the
            first listing. Where nothing happens it says something when a watch ends in good order,
            and about once a minute as bookmarks.
    """

    values: Mapping[str, T]
    is_complete: bool
    is_served: bool
    age: float
