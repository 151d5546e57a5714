"""What devices can be and hold."""

from hypothesis import strategies as st

from libs.mockrds.render import Console
from libs.mockrds.values import Scalar
from libs.rdsclient.model import Features, Release

LATEST = Features.of(Release(7, 24))

slots = st.from_regex(r"(pvc|vol)-[A-Za-z0-9._-]{1,40}", fullmatch=True)
paths = st.from_regex(r"/[a-z0-9]{1,10}(/[a-zA-Z0-9_][a-zA-Z0-9._-]{0,30}){1,4}", fullmatch=True)
sizes = st.integers(0, 2**60)
texts = st.text(alphabet=st.characters(codec="ascii", exclude_characters="\x00"), max_size=30)

_PROPERTIES: dict[str, st.SearchStrategy[Scalar]] = {
    ".id": st.just("*1"),
    "type": st.just("file"),
    "slot": slots,
    "fs": st.just("-"),
    "comment": texts,
    "size": sizes,
    "mount-filesystem": st.booleans(),
    "sector-size": st.just(512),
    "nvme-tcp-export": st.booleans(),
    "nvme-tcp-server-port": st.integers(1, 65535),
    "nvme-tcp-server-nqn": slots.map(lambda slot: f"nqn.2000-02.com.mikrotik:{slot}"),
    "nvme-tcp-server-allow-host-name": st.just("") | texts,
    "file-path": paths,
    "file-offset": st.just(0),
}
# The order is the device's; `fixed_dictionaries` would shuffle it.
items = st.fixed_dictionaries(_PROPERTIES).map(
    lambda item: {name: item[name] for name in _PROPERTIES}
)
listings = st.lists(items, max_size=4)
consoles = st.builds(
    Console,
    width=st.integers(30, 300),
    fold_inside=st.booleans(),
    numbered=st.booleans(),
)
