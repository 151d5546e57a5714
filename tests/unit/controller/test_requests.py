import pytest

from libs.core.errors import InvalidRequest, StaleToken
from libs.core.images import Layout
from libs.core.size import MIB
from libs.core.volumes import Reconnect
from libs.csikit.capability import parse_capability
from protos.gen.csi import v1 as csi
from services.controller.requests.parameters import Parameters, parse_parameters
from services.controller.requests.volumes import (
    parse_create,
    parse_expand,
    parse_page,
    parse_publish,
)
from tests.unit.controller.values import (
    BASE,
    NAME,
    NQN,
    OTHER_BASE,
    SETTINGS,
    SITES,
    Mode,
    block,
    create_request,
    mount,
)


def test_what_a_storage_class_leaves_out_comes_from_the_settings() -> None:
    wanted = parse_create(create_request(), SITES)[1]

    assert wanted.parameters == Parameters(
        directory=BASE,
        nvme_address="192.0.2.2",
        nvme_port=4420,
        nqn_prefix="nqn.2000-02.com.mikrotik",
        fs_type="ext4",
        mkfs_options="",
        reconnect=Reconnect(ctrl_loss=-1, delay=5, keep_alive=0),
        migration_timeout=300,
        layout=Layout.FILE,
        fenced=False,
        authenticated=False,
    )
    assert wanted.nqn.text == NQN
    assert wanted.path.text == f"/raid10/volumes/{NAME}.img"


def test_a_storage_class_can_say_otherwise() -> None:
    given = {
        "volumePath": "/ssd/volumes",
        "nvmeAddress": "storage.example",
        "nvmePort": "4421",
        "nqnPrefix": "nqn.2026-01.example",
        "csi.storage.k8s.io/fstype": "xfs",
        "csi.storage.k8s.io/pvc/name": "data",
        "mkfsOptions": "-m crc=1 -i size=1024",
        "ctrlLossTmo": "600",
        "reconnectDelay": "2",
        "keepAliveTmo": "10",
        "migrationTimeoutSeconds": "60",
        "layout": "subvolume",
        "auth": "dhchap",
    }

    parameters = parse_parameters(given, SETTINGS)

    assert parameters == Parameters(
        OTHER_BASE,
        "storage.example",
        4421,
        "nqn.2026-01.example",
        "xfs",
        "-m crc=1 -i size=1024",
        Reconnect(600, 2, 10),
        60,
        Layout.SUBVOLUME,
        fenced=False,
        authenticated=True,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"volumepath": "/x"},
            r"parameters has unknown keys 'volumepath'; known are rds, volumePath",
        ),
        ({"volumePath": "/raid10/../etc"}, r"parameters\.volumePath must .*'\.\.'"),
        (
            {"volumePath": "/elsewhere"},
            r"parameters\.volumePath must be one of .* \(/raid10/volumes, /ssd/volumes\), not ",
        ),
        ({"nvmeAddress": 'a";/system'}, r"parameters\.nvmeAddress must be a host name"),
        ({"nvmePort": "70000"}, r"parameters\.nvmePort must be a TCP port"),
        ({"nvmeAddress": "fe80::1%x,hostnqn=evil"}, r"parameters\.nvmeAddress must be a host name"),
        ({"nvmePort": "0000165536"}, r"parameters\.nvmePort must be a TCP port"),
        ({"nvmePort": "9" * 5000}, r"parameters\.nvmePort must be a TCP port"),
        ({"nvmePort": "٤٤"}, r"parameters\.nvmePort must be a TCP port"),
        ({"nqnPrefix": "iqn.x"}, r"parameters\.nqnPrefix must be of the form"),
        ({"fsType": "zfs"}, r"parameters\.fsType must be one of ext4"),
        ({"ctrlLossTmo": "-2"}, r"parameters\.ctrlLossTmo must be .* from -1 to 86400"),
        ({"ctrlLossTmo": "2"}, r"parameters\.ctrlLossTmo \(2\) must not be below reconnectDelay"),
        ({"reconnectDelay": "0"}, r"parameters\.reconnectDelay must be .* from 1 to 3600"),
        ({"keepAliveTmo": "1e3"}, r"parameters\.keepAliveTmo must be a whole number"),
        ({"migrationTimeoutSeconds": "29"}, r"parameters\.migrationTimeoutSeconds .* 30 to 3600"),
        ({"layout": "lvm"}, r"parameters\.layout must be one of file, subvolume"),
        ({"fencing": "yes"}, r"parameters\.fencing must be one of off, host"),
        ({"fencing": "host"}, r"parameters\.fencing=host .* the controller runs without --fencing"),
        ({"auth": "tls"}, r"parameters\.auth must be one of off, dhchap"),
        ({"auth": "dhchap"}, r"secrets\.nvmePassword must be given for auth=dhchap"),
        ({"mkfsOptions": "-F"}, r"parameters\.mkfsOptions must not force"),
        ({"mkfsOptions": "-qf"}, r"parameters\.mkfsOptions must not force"),
        ({"mkfsOptions": "--force"}, r"parameters\.mkfsOptions must not force"),
        ({"mkfsOptions": "/dev/sda"}, r"parameters\.mkfsOptions must be at most"),
        ({"mkfsOptions": "'"}, r"parameters\.mkfsOptions must be at most"),
        ({"rds": "other"}, r"parameters\.rds must be one of rds, not 'other'"),
        ({"rdsAddress": "10.9.9.9"}, r"parameters\.rdsAddress '10.9.9.9' is not the address"),
        ({"sshPort": "2222"}, r"parameters\.sshPort is 2222, but device rds is managed on port 22"),
        ({"rdsPort": "x"}, r"parameters\.rdsPort must be a TCP port"),
        ({"rdsBasePath": "/elsewhere"}, r"parameters\.rdsBasePath must be one of"),
        (
            {"rdsBasePath": "/ssd/volumes", "volumePath": "/raid10/volumes"},
            r"parameters\.volumePath and rdsBasePath must not differ",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_rule(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        parse_create(create_request(parameters=given), SITES)


def test_the_storage_classes_of_the_existing_driver_keep_their_meaning() -> None:
    given = {
        "rdsAddress": "192.0.2.1",
        "sshPort": "22",
        "rdsPort": "22",
        "rdsBasePath": "/ssd/volumes/",
        "nvmeAddress": "192.0.2.2",
    }

    assert parse_parameters(given, SETTINGS).directory == OTHER_BASE


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (create_request(name=""), r"^name must not be empty"),
        (create_request(name="n" * 129), r"^name must be at most 128 bytes"),
        (create_request(required=-1), r"required_bytes must not be negative"),
        (create_request(required=2, limit=1), r"required_bytes .* must not be above"),
        (create_request(mutable={"a": "b"}), r"^mutable_parameters has unknown keys 'a'"),
        (csi.CreateVolumeRequest(name=NAME), r"volume_capabilities must not be empty"),
    ],
)
def test_a_wrong_create_request_is_refused_with_the_field(
    request_: csi.CreateVolumeRequest, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_create(request_, SITES)


@pytest.mark.parametrize(
    "capability",
    [
        mount(Mode.SINGLE_NODE_WRITER),
        mount(Mode.SINGLE_NODE_SINGLE_WRITER),
        mount(Mode.SINGLE_NODE_MULTI_WRITER),
        mount(Mode.MULTI_NODE_READER_ONLY, "btrfs"),
        block(Mode.MULTI_NODE_MULTI_WRITER),
        block(Mode.SINGLE_NODE_READER_ONLY),
    ],
)
def test_a_capability_that_the_device_can_honour_is_accepted(
    capability: csi.VolumeCapability,
) -> None:
    assert parse_capability(capability).is_block == (capability.block is not None)


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        (None, r"must be given"),
        (csi.VolumeCapability(), r"exactly one of block and mount"),
        (
            csi.VolumeCapability(
                block=csi.VolumeCapabilityBlockVolume(), mount=csi.VolumeCapabilityMountVolume()
            ),
            r"exactly one of block and mount",
        ),
        (
            csi.VolumeCapability(mount=csi.VolumeCapabilityMountVolume()),
            r"UNKNOWN is not supported",
        ),
        (mount(Mode.MULTI_NODE_SINGLE_WRITER), r"MULTI_NODE_SINGLE_WRITER is not supported"),
        (mount(Mode(99)), r"99 is not supported"),
        (mount(Mode.MULTI_NODE_MULTI_WRITER), r"for raw block volumes only"),
        (mount(fs_type="ntfs"), r"fs_type must be one of"),
    ],
)
def test_a_capability_that_it_cannot_honour_is_refused(
    capability: csi.VolumeCapability | None, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_capability(capability)


@pytest.mark.parametrize(("fs_type", "mebibytes"), [("ext4", 16), ("xfs", 300), ("btrfs", 128)])
def test_a_volume_is_large_enough_for_its_filesystem(fs_type: str, mebibytes: int) -> None:
    _, wanted = parse_create(create_request(capability=mount(fs_type=fs_type)), SITES)

    assert wanted.min_bytes == mebibytes * MIB


def test_a_page_is_bounded_and_continues_after_the_last_id() -> None:
    assert parse_page(csi.ListVolumesRequest()) == (500, "")
    assert parse_page(csi.ListVolumesRequest(max_entries=9999, starting_token=NAME)) == (
        500,
        NAME,
    )


def test_a_negative_page_is_invalid_and_a_foreign_token_is_aborted() -> None:
    with pytest.raises(InvalidRequest, match="max_entries"):
        parse_page(csi.ListVolumesRequest(max_entries=-1))
    for token in ("invalid-token", 'pvc-"', "0"):
        with pytest.raises(StaleToken, match="starting_token"):
            parse_page(csi.ListVolumesRequest(starting_token=token))


@pytest.mark.parametrize(
    ("capability", "required"), [(None, True), (mount(), True), (block(), False)]
)
def test_only_a_raw_block_volume_needs_nothing_from_the_node_to_grow(
    capability: csi.VolumeCapability | None, *, required: bool
) -> None:
    request = csi.ControllerExpandVolumeRequest(
        volume_id=NAME,
        capacity_range=csi.CapacityRange(required_bytes=1),
        volume_capability=capability,
    )

    assert parse_expand(request).node_expansion_required == required


def test_a_publication_checks_the_address_that_it_would_hand_to_the_node() -> None:
    request = csi.ControllerPublishVolumeRequest(
        volume_id=NAME,
        node_id="worker-1",
        volume_capability=mount(),
        volume_context={"nvmeAddress": "10.0.0.1; rm"},
    )

    with pytest.raises(InvalidRequest, match=r"volume_context\.nvmeAddress"):
        parse_publish(request, SITES)
