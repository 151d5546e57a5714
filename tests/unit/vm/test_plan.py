from tests.vm.plan import Group, arguments_of, chosen, distribute, split

GROUPS = (
    Group("one", open=True),
    Group("two", open=True),
    Group("pair", ("test_pair.py", "test_far.py"), peer=True),
    Group("secret", ("test_secret.py",), authentication=True, cpus=2),
)


def files_of(groups: list[Group]) -> dict[str, set[str]]:
    return {group.name: set(group.files) for group in groups}


def test_a_named_file_goes_to_its_group_and_the_others_to_open_ones() -> None:
    found = distribute(["test_secret.py", "test_a.py", "test_pair.py", "test_b.py"], GROUPS)

    assert files_of(found) == {
        "one": {"test_a.py"},
        "two": {"test_b.py"},
        "pair": {"test_pair.py"},
        "secret": {"test_secret.py"},
    }


def test_a_group_without_files_gets_no_machine() -> None:
    found = distribute(["test_a.py"], GROUPS)

    assert [group.name for group in found] == ["one"]


def test_a_long_file_is_weighed_against_several_short_ones() -> None:
    seconds = {"test_long.py": 90, "test_short.py": 30, "test_shorter.py": 20}

    found = distribute(seconds, GROUPS, seconds)

    assert files_of(found) == {"one": {"test_long.py"}, "two": {"test_short.py", "test_shorter.py"}}


def test_tests_asked_for_by_name_get_what_any_of_them_needs() -> None:
    plain = chosen(["tests/vm/inside/test_a.py::test_x[ext4]"], GROUPS)
    both = chosen(["tests/vm/inside/test_far.py", "tests/vm/inside/test_secret.py::test_y"], GROUPS)

    assert (plain.peer, plain.authentication, plain.cpus) == (False, False, 1)
    assert (both.peer, both.authentication, both.cpus) == (True, True, 2)


def test_tests_asked_for_by_name_are_given_to_pytest_as_they_were_spelt() -> None:
    path = "tests/vm/inside/test_a.py::test_x[ext4]"

    assert arguments_of(chosen([path], GROUPS)) == [path]
    assert arguments_of(Group("one", ("test_a.py",))) == ["tests/vm/inside/test_a.py"]


def test_tests_are_told_from_options_and_their_values() -> None:
    arguments = ["-x", "tests/vm/inside/test_a.py", "--deselect", "tests/vm/inside/test_b.py"]

    assert split(arguments) == ([arguments[1]], ["-x", *arguments[2:]])
