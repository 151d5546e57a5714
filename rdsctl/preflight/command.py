"""The command: read a cluster and a device, and say what moving over would do. Changes nothing."""

from argparse import Namespace
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from libs.core.address import parse_host, parse_port
from libs.core.errors import RdsCsiError
from libs.core.ids import parse_driver_name, parse_nqn_prefix
from libs.core.paths import DevicePath
from libs.rdsclient.config import RdsConfig
from rdsctl.blocks import Outcome
from rdsctl.connection import BadSettings
from rdsctl.exits import Exit
from rdsctl.preflight.checks import check, settings_for
from rdsctl.preflight.model import Cluster, Device, Level, Plan
from rdsctl.preflight.view import document, is_ready, render
from rdsctl.preflight.volumes import directories_of
from rdsctl.words import clean

LIMIT = 60.0
"""Seconds for reading a cluster, and for reading a device."""

T = TypeVar("T")


async def preflight(args: Namespace) -> tuple[Outcome, Exit]:
    """Look at what the flags name.

    Returns:
        What is to be said, and the exit code.

    Raises:
        InvalidRequest: the flags cannot be used.
    """
    plan, config = _plan(args), _config(args)
    if not args.kubeconfig and config is None:
        raise BadSettings(
            "there is nothing to look at", "give --kubeconfig, or --rds-address, or both"
        )
    limit = getattr(args, "timeout", None) or LIMIT
    unreached: list[str] = []
    cluster, device = None, None
    if args.kubeconfig:
        reading = _read_cluster(Path(args.kubeconfig), plan.driver, limit)
        cluster = await _or_reason(reading, unreached)
    if config is not None:
        bases = plan.bases or (directories_of(cluster) if cluster else ())
        device = await _or_reason(_read_device(config, bases, limit), unreached)
    findings = check(cluster, device, plan)
    settings = settings_for(cluster, device, plan)
    wide = args.output == "wide"
    outcome = Outcome(
        render(findings, settings, unreached, wide=wide),
        document(findings, settings, unreached),
        good=is_ready(findings, unreached),
    )
    if unreached:
        return outcome, Exit.UNREACHABLE
    has_warnings = any(one.level is Level.WARNING for one in findings)
    if not outcome.good or (args.exit_code and has_warnings):
        return outcome, Exit.NOT_GOOD
    return outcome, Exit.OK


async def _or_reason(reading: Awaitable[T], reasons: list[str]) -> T | None:
    """Return what is read; None where it cannot be, with the reason in the list."""
    try:
        return await reading
    except BadSettings:
        raise
    except RdsCsiError as error:
        detail = f" ({clean(error.detail)})" if error.detail else ""
        reasons.append(f"{clean(error.message)}{detail}")
        return None


async def _read_cluster(kubeconfig: Path, driver: str, limit: float) -> Cluster:
    try:
        from rdsctl.preflight.cluster import read_cluster  # noqa: PLC0415 (heavy, and optional)
    except ImportError as error:
        raise _lacking(error) from error
    return await read_cluster(kubeconfig, driver, limit)


async def _read_device(config: RdsConfig, bases: tuple[DevicePath, ...], limit: float) -> Device:
    try:
        from rdsctl.preflight.device import read_device  # noqa: PLC0415 (heavy, and optional)
    except ImportError as error:
        raise _lacking(error) from error
    return await read_device(config, bases, limit)


def _lacking(error: ImportError) -> BadSettings:
    return BadSettings(
        f"this installation lacks {error.name}", "in a checkout: pip install '.[preflight]'"
    )


def _plan(args: Namespace) -> Plan:
    return Plan(
        driver=parse_driver_name(args.driver_name, "--driver-name"),
        prefixes=tuple(
            parse_nqn_prefix(part, "--managed-nqn-prefixes")
            for part in _parts(args.managed_nqn_prefixes)
        ),
        bases=tuple(
            DevicePath.parse(part, "--volume-base-paths") for part in _parts(args.volume_base_paths)
        ),
    )


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _config(args: Namespace) -> RdsConfig | None:
    """Return how the device is reached; None where none was named."""
    if not args.rds_address:
        given = [
            name for name in ("key", "password", "host_key") if getattr(args, f"rds_{name}_file")
        ]
        if given:
            raise BadSettings("it is not said where the device is", "give --rds-address")
        return None
    if not args.rds_host_key_file:
        raise BadSettings(
            "--rds-host-key-file is required: a password must not go to whoever answers",
            "ssh-keyscan -t ed25519 ADDRESS | cut -d' ' -f2- prints what goes into it; compare "
            "that with what the device itself shows",
        )
    if not args.rds_key_file and not args.rds_password_file:
        raise BadSettings(
            "it is not said how to log in", "give --rds-key-file or --rds-password-file"
        )
    return RdsConfig(
        host=parse_host(args.rds_address, "--rds-address"),
        port=parse_port(args.rds_port, "--rds-port"),
        user=args.rds_user,
        host_key_file=Path(args.rds_host_key_file),
        key_file=Path(args.rds_key_file) if args.rds_key_file else None,
        password_file=Path(args.rds_password_file) if args.rds_password_file else None,
        max_sessions=1,
    )
