"""Where the API server keeps the kinds of objects that the driver reads. Pure."""

NODES = "/api/v1/nodes"
PERSISTENT_VOLUMES = "/api/v1/persistentvolumes"
VOLUME_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
CSI_DRIVERS = "/apis/storage.k8s.io/v1/csidrivers"
CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"

SNAPSHOT_CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
"""Of a CustomResourceDefinition, which a cluster may lack."""
