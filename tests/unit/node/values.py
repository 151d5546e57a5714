"""Records and what is seen of volumes, generated."""

from dataclasses import replace
from uuid import UUID

from hypothesis import strategies as st

from libs.core.ids import Nqn, VolumeId
from libs.csikit.capability import Mode
from libs.nvmeof.fsplan import Probe
from libs.nvmeof.model import BlockDevice, Connection, LinkState, Target
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.superblock import Superblock
from services.node.plan.stage import Place, Seen
from services.node.volume import Publication, Record, Use

SIZE = 1 << 30
NQN = Nqn("nqn.2000-02.com.mikrotik:pvc-1")
STAGING = "/k/staging"
TARGETS = ("/k/pods/1", "/k/pods/2")
OURS, OTHERS = UUID(int=1), UUID(int=2)
DEVICES = tuple(BlockDevice(f"/dev/nvme{i}n1", (259, i), SIZE) for i in range(2))
USE = Use(
    volume=VolumeId.parse("pvc-1"),
    target=Target(NQN, "192.0.2.1", 4420),
    staging=STAGING,
    fs_type="ext4",
    size=SIZE,
)
RECORD = Record(USE)

SIZES = (SIZE - 1, SIZE, 2 * SIZE)
MODES = (Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY)

# All there are, and not built one by one: that takes a tenth of the time.
devices = st.sampled_from([replace(device, size=size) for device in DEVICES for size in SIZES])
connections = st.none() | st.builds(
    Connection, st.just(NQN.text), st.sampled_from(LinkState), st.none() | devices
)
uses = st.sampled_from(
    [
        replace(USE, fs_type=fs_type, options=options, mode=mode, size=size)
        for fs_type in ("ext4", "ext3", "xfs", "btrfs", "")
        for options in ((), ("ro",), ("noatime",))
        for mode in MODES
        for size in (SIZE, None)
    ]
)
_FOR = [tuple(Publication(path, read_only) for path in TARGETS) for read_only in (False, True)]
publications = st.sampled_from([(), *_FOR, _FOR[0][:1], _FOR[1][:1], (_FOR[0][0], _FOR[1][1])])
records = st.builds(Record, uses, st.none() | st.just(OURS), publications)
superblocks = st.sampled_from(
    [
        None,
        *(
            Superblock(kind, uuid, size, unfinished)
            for kind in ("ext", "xfs", "btrfs")
            for uuid in (OURS, OTHERS)
            for size in SIZES
            for unfinished in (False, True)
        ),
    ]
)
probes = st.builds(
    Probe,
    nqn=st.sampled_from([NQN.text] * 3 + [""]),
    size=st.sampled_from(SIZES),
    readable=st.sampled_from([True, True, True, False]),
    blkid=st.sampled_from([0, 0, 2, 2, 4, 8, -9]),
    fs_type=st.sampled_from(["", "", "ext4", "xfs", "LVM2_member"]),
    other=st.sampled_from(["", "", "a partition table (gpt)"]),
    superblock=superblocks,
)


def mount_at(
    point: str,
    device: BlockDevice = DEVICES[0],
    *,
    fs_type: str = "ext4",
    read_only: bool = False,
    stopped: bool = False,
) -> Mount:
    """Return a mount of a device, as the kernel's table shows it."""
    mode = "ro" if read_only else "rw"
    of_all = "ro" if read_only or stopped else "rw"
    return Mount(
        1,
        0,
        device.number,
        "/",
        point,
        frozenset({mode}),
        fs_type,
        device.path,
        frozenset({of_all}),
    )


def mounts_at(point: str) -> st.SearchStrategy[Mount]:
    return st.sampled_from(
        [
            mount_at(point, device, fs_type=fs_type, read_only=read_only, stopped=stopped)
            for device in DEVICES
            for fs_type in ("ext4", "ext3", "xfs", "btrfs")
            for read_only in (False, True)
            for stopped in (False, True)
        ]
    )


def places_for(record: Record) -> st.SearchStrategy[tuple[Place, ...]]:
    return st.tuples(
        *(
            st.builds(
                Place,
                st.just(each),
                st.none() | mounts_at(each.path),
                st.none() | st.sampled_from([device.number for device in DEVICES]),
                st.booleans(),
            )
            for each in record.publications
        )
    )


def seen_for(record: Record) -> st.SearchStrategy[Seen]:
    """Generate what may be seen of a volume, however unlikely."""
    return st.builds(
        Seen,
        connections,
        st.none() | mounts_at(STAGING),
        st.booleans(),
        st.sampled_from([(), (), ("/elsewhere",)]),
        places_for(record),
        st.none() | probes,
        *[st.booleans()] * 4,
    )


cases = records.flatmap(lambda record: st.tuples(st.just(record), seen_for(record)))
