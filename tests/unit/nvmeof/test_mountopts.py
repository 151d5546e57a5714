import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InvalidRequest
from libs.nvmeof.mountopts import merge_options, parse_options

CONTEXT = 'context="system_u:object_r:container_file_t:s0:c127,c456"'

options = st.sampled_from(
    ["noatime", "nodev", "ro", "rw", "errors=panic", "discard", "nouuid", "uquota", "commit=30"]
)


@given(st.lists(st.text(max_size=20) | options, max_size=5))
def test_any_flags_are_read_or_refused(flags: list[str]) -> None:
    try:
        found = parse_options(flags, "mount_flags")
    except InvalidRequest as error:
        refused = str(error)
        assert refused.startswith("mount_flags")
        return
    assert len(set(found)) == len(found)
    assert not any(set(option) & set(" \t\n\0\\'") for option in found)


def test_flags_are_split_at_commas_and_keep_their_order_without_repetitions() -> None:
    found = parse_options(["noatime,nodev", "discard", "nodev"], "mount_flags")

    assert found == ("noatime", "nodev", "discard")


def test_what_means_nothing_is_dropped() -> None:
    empty = ["defaults", "_netdev,nofail", "auto", "noauto", "noatime"]

    assert parse_options(empty, "mount_flags") == ("noatime",)


@pytest.mark.parametrize(
    "flag",
    ["a" * 64, "b=" + "c" * 128, "b=", "a+b", 'context="' + "c" * 256 + '"', 'context="c"'],
)
def test_the_longest_and_the_shortest_options_are_taken(flag: str) -> None:
    assert parse_options([flag], "mount_flags") == (flag,)


@pytest.mark.parametrize("key", ["context", "fscontext", "defcontext", "rootcontext"])
def test_an_selinux_context_with_commas_stays_one_option(key: str) -> None:
    context = CONTEXT.replace("context", key)

    assert parse_options([context, "noatime,nodev"], "mount_flags") == (context, "noatime", "nodev")


@pytest.mark.parametrize(
    "flag",
    [
        *("bind", "rbind", "remount", "noatime,move"),
        *("loop", "loop=/dev/loop0", "offset=1", "sizelimit=1"),
        *("device=/dev/sdb", "logdev=/dev/sdb", "rtdev=/dev/sdb", "degraded"),
        *("journal_dev=8", "journal_path=/dev/sdb"),
        *("subvol=x", "subvolid=5", "abort"),
        *("private", "rprivate", "shared", "rshared", "slave", "rslave"),
        *("unbindable", "runbindable"),
        *("X-mount.subdir=x", "x-mount.mkdir", "helper=x", "user", "users"),
    ],
)
def test_what_no_user_may_give_is_named_with_the_reason(flag: str) -> None:
    name = flag.removeprefix("noatime,")

    with pytest.raises(InvalidRequest, match=f"must not have '{name}': "):
        parse_options([flag], "mount_flags")


@pytest.mark.parametrize(
    "flag",
    [
        *("a b", "a\nb", "", "a,,b", "x" * 65, "a='b'", CONTEXT + ",bind", "a=b=c", "a*b"),
        *("b=" + "c" * 129, 'context="' + "c" * 257 + '"', 'context=""'),
    ],
)
def test_what_is_no_option_is_refused(flag: str) -> None:
    with pytest.raises(InvalidRequest, match="which is not a mount option"):
        parse_options([flag], "mount_flags")


def test_ro_and_rw_contradict() -> None:
    for flags in (["ro", "noatime,rw"], ["rw", "ro"]):
        with pytest.raises(InvalidRequest, match="both ro and rw"):
            parse_options(flags, "mount_flags")


def test_what_follows_a_context_without_quotes_is_an_option_of_its_own() -> None:
    assert parse_options(["context=a,commit=30"], "mount_flags") == ("context=a", "commit=30")


@pytest.mark.parametrize(
    ("fs_type", "safe"),
    [
        ("ext4", ["errors=remount-ro"]),
        ("ext3", ["errors=remount-ro"]),
        ("xfs", ["nouuid"]),
        ("btrfs", []),
    ],
)
def test_a_filesystem_is_mounted_with_what_is_safe(fs_type: str, safe: list[str]) -> None:
    assert merge_options(fs_type, ("noatime",), read_only=False) == ("rw", "noatime", *safe)


def test_what_was_asked_for_wins_over_what_is_safe() -> None:
    assert merge_options("ext4", ("errors=panic",), read_only=False) == ("rw", "errors=panic")
    assert merge_options("xfs", ("nouuid",), read_only=False) == ("rw", "nouuid")


@given(st.lists(options, max_size=4), st.booleans(), st.booleans())
def test_there_is_one_mode_and_it_comes_first(
    requested: list[str],
    read_only: bool,  # noqa: FBT001 (generated)
    untouched: bool,  # noqa: FBT001 (generated)
) -> None:
    merged = merge_options("ext4", requested, read_only=read_only, untouched=untouched)

    assert merged[0] == ("ro" if read_only or "ro" in requested else "rw")
    assert not {"ro", "rw"} & set(merged[1:])
    assert ("noload" in merged) is untouched
    assert [each for each in requested if each not in {"ro", "rw"}] == [
        each for each in merged[1:] if each in requested and each != "noload"
    ]


@pytest.mark.parametrize(
    ("fs_type", "option"),
    [
        ("ext4", "noload"),
        ("ext3", "noload"),
        ("xfs", "norecovery"),
        ("btrfs", "rescue=nologreplay"),
    ],
)
def test_where_others_read_too_not_even_the_journal_is_replayed(fs_type: str, option: str) -> None:
    merged = merge_options(fs_type, (), read_only=True, untouched=True)

    assert merged[0] == "ro"
    assert merged[-1] == option


def test_a_filesystem_that_is_not_known_gets_only_what_was_asked_for() -> None:
    merged = merge_options("f2fs", ("noatime",), read_only=False, untouched=True)

    assert merged == ("rw", "noatime")


def test_a_mount_may_replay_a_journal_unless_others_read_too() -> None:
    assert merge_options("xfs", (), read_only=True) == ("ro", "nouuid")
