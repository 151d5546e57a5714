"""For the one whose pod complains: one volume, from its filesystem to the disk on the device.

Metrics of the kubelet and of kube-state-metrics say what belongs to what; the device says what the
disk does.
"""

from tests.monitoring.dashboards.panels import (
    AMBER,
    GREEN,
    RED,
    Dashboard,
    Panel,
    Query,
    Section,
    Variable,
)

_CLAIM = '{namespace="$namespace", persistentvolumeclaim="$claim"}'
_DISK = '{slot="$slot"}'
_ATTACHED = (
    "kube_volumeattachment_info * on (volumeattachment) group_left (volumename) "
    'kube_volumeattachment_spec_source_persistentvolume{volumename="$volume"}'
)

_STATE = Section(
    "Now",
    (
        Panel(
            "stat",
            "Filesystem",
            "How full it is, as the kubelet reads it through the node plugin.",
            [
                Query(
                    f"max(kubelet_volume_stats_used_bytes{_CLAIM} "
                    f"/ kubelet_volume_stats_capacity_bytes{_CLAIM})"
                )
            ],
            "percentunit",
            4,
            4,
            steps=((GREEN, None), (AMBER, 0.8), (RED, 0.95)),
        ),
        Panel(
            "stat",
            "Files",
            "How many of its inodes are used. XFS makes more as long as there is room.",
            [
                Query(
                    f"max(kubelet_volume_stats_inodes_used{_CLAIM} "
                    f"/ kubelet_volume_stats_inodes{_CLAIM})"
                )
            ],
            "percentunit",
            4,
            4,
            steps=((GREEN, None), (AMBER, 0.8), (RED, 0.95)),
        ),
        Panel(
            "stat",
            "Condition",
            "What the node plugin says of it. Needs the kubelet's feature CSIVolumeHealth.",
            [Query(f"max(kubelet_volume_stats_health_status_abnormal{_CLAIM})")],
            "short",
            4,
            4,
            steps=((GREEN, None), (RED, 1)),
            words={0: "in order", 1: "not in order"},
        ),
        Panel(
            "stat",
            "Nodes",
            "Nodes that it is attached to: two only during a live migration.",
            [Query(f"count({_ATTACHED}) or vector(0)")],
            "short",
            4,
            4,
            steps=((GREEN, None), (AMBER, 2)),
        ),
        Panel(
            "stat",
            "Device",
            "Whether any controller is connected to a device.",
            [Query("max by (device) (rds_csi_rds_connection_state)", "{{device}}")],
            "short",
            4,
            4,
            steps=((RED, None), (GREEN, 1)),
            words={0: "away", 1: "connected"},
        ),
        Panel(
            "stat",
            "Its disk waits",
            "Operations that the device has in hand for it.",
            [Query(f"max(rds_disk_in_flight_ops{_DISK})")],
            "short",
            4,
            4,
        ),
    ),
)

_FILESYSTEM = Section(
    "Filesystem",
    (
        Panel(
            "timeseries",
            "Room",
            "Used bytes, and the size of the filesystem.",
            [
                Query(f"max(kubelet_volume_stats_used_bytes{_CLAIM})", "used"),
                Query(f"max(kubelet_volume_stats_capacity_bytes{_CLAIM})", "size"),
            ],
            "bytes",
        ),
        Panel(
            "timeseries",
            "Files",
            "Inodes that are used.",
            [Query(f"max(kubelet_volume_stats_inodes_used{_CLAIM})", "used")],
        ),
        Panel(
            "table",
            "Attached to",
            "VolumeAttachments of it. rdsctl volume says whether they should be there.",
            [Query(_ATTACHED)],
            columns={"node": "Node", "volumename": "Volume"},
        ),
    ),
)

_DISK_PANELS = Section(
    "Disk on the device, where the controller reads the traffic of volumes",
    (
        Panel(
            "timeseries",
            "Throughput",
            "Bytes a second.",
            [
                Query(f"max by (device) (rds_disk_read_bytes_per_second{_DISK})", "read"),
                Query(f"max by (device) (rds_disk_write_bytes_per_second{_DISK})", "written"),
            ],
            "Bps",
        ),
        Panel(
            "timeseries",
            "Operations",
            "Reads and writes a second.",
            [
                Query(f"max by (device) (rds_disk_read_ops_per_second{_DISK})", "reads"),
                Query(f"max by (device) (rds_disk_write_ops_per_second{_DISK})", "writes"),
            ],
            "iops",
        ),
        Panel(
            "timeseries",
            "Times and queue",
            "As the device's monitor-traffic says them; compare with quiet hours.",
            [
                Query(f"max by (device) (rds_disk_wait_seconds{_DISK})", "wait"),
                Query(f"max by (device) (rds_disk_active_seconds{_DISK})", "active"),
            ],
            "s",
        ),
    ),
)

VOLUME = Dashboard(
    "rds-csi-volume",
    "RDS CSI: one volume",
    "One volume: its filesystem, where it is attached, and its disk on the device.",
    (_STATE, _FILESYSTEM, _DISK_PANELS),
    (
        Variable(
            "volume",
            "PersistentVolume",
            'label_values(kube_persistentvolume_info{csi_driver="rds.csi.srvlab.io"}, '
            "persistentvolume)",
        ),
        Variable(
            "slot",
            "Disk",
            'label_values(kube_persistentvolume_info{persistentvolume="$volume"}, '
            "csi_volume_handle)",
            hidden=True,
            regex="/^([^@]+)/",
        ),
        Variable(
            "namespace",
            "Namespace",
            'label_values(kube_persistentvolume_claim_ref{persistentvolume="$volume"}, '
            "claim_namespace)",
            hidden=True,
        ),
        Variable(
            "claim",
            "Claim",
            'label_values(kube_persistentvolume_claim_ref{persistentvolume="$volume"}, name)',
            hidden=True,
        ),
    ),
)
