from libs.core.secret import Secret


def test_a_secret_does_not_print_however_it_is_printed() -> None:
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>20}"
    assert secret.reveal() == "hunter2"
