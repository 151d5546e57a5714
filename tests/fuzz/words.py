"""What drawn messages are made of: what is sound, what nearly is, and what is meant to do harm."""

VOLUME = "pvc-00000000-0000-0000-0000-000000000001"
OTHER = "vol-data"
SNAPSHOT = "snap-nightly"
NODE = "a"
NQN = f"nqn.2000-02.com.mikrotik:{VOLUME}"
SECRET = "planted-Kq7xW2"
"""What no error may show."""

# Spelled out: nothing of the product may be imported before it is instrumented.
PARAMETER_KEYS = (
    *("rds", "volumePath", "nvmeAddress", "nvmePort", "nqnPrefix", "fsType", "mkfsOptions"),
    *("ctrlLossTmo", "reconnectDelay", "keepAliveTmo", "migrationTimeoutSeconds"),
    *("layout", "fencing", "auth", "rdsAddress", "sshPort", "rdsPort", "rdsBasePath"),
)

HOSTILE = (
    '"; /disk/remove [find]; :put "',
    "$x",
    "[/system/reset-configuration]",
    "}; /file/remove [find]; {",
    "a\n/disk/remove [find]",
    "\\",
    '\\"',
    "..",
    "../../etc/shadow",
    "/etc/shadow",
    "/raid10/volumes/../../flash",
    "a/../b",
    "%2e%2e%2f",
    "-o loop",
    "--help",
    "`id`",
    "$(id)",
    "a,b=c",
    "nqn=x,traddr=1",
    "\x00",
    "\x1b[2J",
    "\r\n",
    "\u202e",
    "\u0661\u0662",
    "\uff0e\uff0e\uff0f",
    "\U0001f4be",
    "é" * 64,
    "A" * 129,
    "p" * 4096,
    "9" * 4400,
    "-1",
    "1e999",
    "inf",
    "NaN",
    "*1",
    "",
    " ",
)

PLAIN = (
    VOLUME,
    OTHER,
    SNAPSHOT,
    NODE,
    NQN,
    f"{VOLUME}@west",
    "pvc-",
    "vol-",
    "rds",
    "0",
    "1",
    "4420",
    "true",
    "off",
    "192.0.2.2",
    "fd00::1",
    "ext4",
    "xfs",
    "/raid10/volumes",
    "/raid10/other",
)

BY_FIELD: dict[str, tuple[str, ...]] = {
    "id": (VOLUME, SNAPSHOT, "/raid10/volumes/pvc-1.img", f"/raid10/volumes/{VOLUME}.img"),
    "name": (VOLUME, "data", "nightly", "snapshot-00000000-0000-0000-0000-000000000001"),
    "volume_id": (VOLUME, OTHER, f"{VOLUME}@west", "pvc-missing"),
    "source_volume_id": (VOLUME, OTHER),
    "snapshot_id": (SNAPSHOT, f"{SNAPSHOT}@west"),
    "node_id": (NODE, "b", "no-such-node"),
    "node": (NODE, "b"),
    "device": ("rds", "west"),
    "devices": ("rds", "west"),
    "fingerprint": ("0123456789abcdef",),
    "reason": ("a test",),
    "starting_token": (VOLUME, SNAPSHOT, "20"),
    "page_token": ("cHZjLTE=", "%"),
    "fs_type": ("ext4", "xfs", "btrfs", "zfs"),
    "mount_flags": ("noatime", "ro", "rw", "discard,noatime", 'context="a:b:c:d"', "bind"),
    "staging_target_path": ("{root}/plugins/x/globalmount", "{root}/../x", "{root}"),
    "target_path": ("{root}/pods/1/x/mount", "{root}/pods/2/x/mount", "/var/lib/other"),
    "volume_path": ("{root}/plugins/x/globalmount", "{root}/pods/1/x/mount"),
    "parameters.key": PARAMETER_KEYS,
    "mutable_parameters.key": ("ctrlLossTmo", "reconnectDelay", "keepAliveTmo", "fencing", "auth"),
    "volume_context.key": (*PARAMETER_KEYS, "nqn"),
    "publish_context.key": (
        *("nvme_address", "nvme_port", "nvme_nqn", "fs_type", "size_bytes"),
        *("ctrl_loss_tmo", "reconnect_delay", "keep_alive_tmo"),
    ),
    "secrets.key": ("nvmePassword", "nvmeSecret"),
    "segments.key": ("topology.kubernetes.io/zone",),
    "nvmePassword": (SECRET,),
    "nvmeSecret": (SECRET, f"DHHC-1:00:{SECRET.replace('-', '')}{'A' * 40}:"),
    "volumePath": ("/raid10/volumes", "/raid10/other", "/raid10/volumes/"),
    "rdsBasePath": ("/raid10/volumes",),
    "nvmeAddress": ("192.0.2.2", "storage.example.org"),
    "nvmePort": ("4420",),
    "nqnPrefix": ("nqn.2000-02.com.mikrotik",),
    "fsType": ("ext4", "xfs", "btrfs"),
    "mkfsOptions": ("-i 4096", "-F", "--force=1", "-E lazy_itable_init=0"),
    "layout": ("file", "subvolume"),
    "fencing": ("off", "host"),
    "auth": ("off", "dhchap"),
    "ctrlLossTmo": ("-1", "600"),
    "reconnectDelay": ("5",),
    "keepAliveTmo": ("0", "30"),
    "migrationTimeoutSeconds": ("300",),
    "nvme_address": ("192.0.2.2",),
    "nvme_port": ("4420",),
    "nvme_nqn": (NQN,),
    "nqn": (NQN,),
    "size_bytes": ("67108864",),
    "ctrl_loss_tmo": ("-1",),
    "reconnect_delay": ("5",),
    "keep_alive_tmo": ("0",),
}

NUMBERS = (0, 1, 2, 4096, 2**20, 2**26, 2**30, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
_ALL = (*PLAIN, *HOSTILE, *(word for words in BY_FIELD.values() for word in words))
EVERYTHING = tuple(word for word in _ALL if SECRET.replace("-", "") not in word.replace("-", ""))
"""All but the secret, which is only where secrets are."""
