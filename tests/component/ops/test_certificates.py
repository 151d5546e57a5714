"""When the certificates of a process end, as it is scraped."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.ops.certificates import show_certificates
from libs.ops.metrics import Metrics
from tests.unit.ops.test_x509 import certificate

SOON, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


async def scrape(metrics: Metrics) -> dict[str, float]:
    await metrics.collect()
    text = metrics.render()[0].decode()
    name = "rds_csi_certificate_expiry_timestamp_seconds"
    return {
        Path(file).name: float(value)
        for file, value in re.findall(name + r'\{file="(.*)"\} (\S+)', text)
    }


async def test_a_certificate_ends_with_the_first_of_its_chain(tmp_path: Path) -> None:
    chain, metrics = tmp_path / "tls.crt", Metrics()
    chain.write_text(certificate(LATER) + certificate(SOON))
    show_certificates(metrics, [chain, None], [None])

    found = await scrape(metrics)

    assert found == {"tls.crt": SOON.timestamp()}


async def test_authorities_end_with_the_last_of_them(tmp_path: Path) -> None:
    bundle, metrics = tmp_path / "ca.crt", Metrics()
    bundle.write_text(certificate(SOON) + certificate(LATER))
    show_certificates(metrics, [], [bundle])

    found = await scrape(metrics)

    assert found == {"ca.crt": LATER.timestamp()}


async def test_a_new_certificate_counts_from_the_next_scrape_on(tmp_path: Path) -> None:
    path, metrics = tmp_path / "tls.crt", Metrics()
    path.write_text(certificate(SOON))
    show_certificates(metrics, [path], [], cache_seconds=0)
    await scrape(metrics)

    path.write_text(certificate(LATER))
    found = await scrape(metrics)

    assert found == {"tls.crt": LATER.timestamp()}


async def test_a_file_that_cannot_be_read_is_said_once_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, metrics = tmp_path / "tls.crt", tmp_path / "gone.crt", Metrics()
    good.write_text(certificate(SOON))
    show_certificates(metrics, [bad, good], [], cache_seconds=0)

    await scrape(metrics)
    found = await scrape(metrics)

    assert found == {"tls.crt": SOON.timestamp()}
    assert capsys.readouterr().out.count("certificate not readable") == 1


async def test_without_files_nothing_is_shown() -> None:
    metrics = Metrics()

    show_certificates(metrics, [None], [None])

    assert metrics.render() == Metrics().render()
