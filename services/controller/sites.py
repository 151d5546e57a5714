"""The devices that one controller serves, and what sets each apart."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from libs.core.errors import Exhausted, InvalidRequest, NotFound, RdsCsiError
from libs.core.ids import shown
from libs.ops.settings import switch
from services.controller.config import ControllerSettings, device_problems

_OWN = (
    "rds_name",
    "rds_address",
    "rds_port",
    "rds_user",
    "rds_key_file",
    "rds_password_file",
    "rds_host_key_file",
    "rds_check_host_key",
    "rds_max_sessions",
    "rds_batch_commands",
    "rds_command_timeout",
    "rds_snmp",
    "rds_snmp_port",
    "rds_snmp_community_file",
    "rds_snmp_user",
    "rds_snmp_auth_file",
    "rds_snmp_privacy_file",
    "nvme_address",
    "nvme_port",
    "nqn_prefix",
    "volume_base_paths",
    "topology",
    "overcommit",
    "fencing_two_hosts",
    "file_copies",
    "copy_attached",
    "copy_rate",
)
"""Settings that a device may have of its own."""

Segments = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """One device.

    Attributes:
        settings: the controller's settings, with the device's own in their place.
        suffix: what IDs say of the device; empty for the default one.
    """

    settings: ControllerSettings
    suffix: str = ""

    @property
    def name(self) -> str:
        """The device's name."""
        return self.settings.rds_name

    @property
    def topology(self) -> dict[str, str]:
        """The segments of the nodes that reach the device; none for every node."""
        return dict(self.settings.topology)

    def is_reached_from(self, segments: Segments) -> bool:
        """Whether nodes with these segments reach the device."""
        return all(segments.get(key) == value for key, value in self.settings.topology)


class Sites:
    """All devices; the first is the default one."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._by_suffix = {site.suffix: site for site in sites}

    def __iter__(self) -> Iterator[Site]:
        return iter(self._by_suffix.values())

    @property
    def default(self) -> Site:
        """The device whose volumes have bare IDs."""
        return self._by_suffix[""]

    @property
    def have_topology(self) -> bool:
        """Whether some device is not reached from everywhere."""
        return any(site.settings.topology for site in self._by_suffix.values())

    def has(self, suffix: str) -> bool:
        """Whether there is a device that IDs spell like this."""
        return suffix in self._by_suffix

    def of_suffix(self, suffix: str) -> Site:
        """Return the device that an ID names.

        Raises:
            NotFound: there is none of that name.
        """
        if suffix not in self._by_suffix:
            raise NotFound(f"no device is named {suffix}")
        return self._by_suffix[suffix]

    def choose(
        self,
        parameters: Mapping[str, str],
        requisite: Iterable[Segments] = (),
        preferred: Iterable[Segments] = (),
        suffix: str | None = None,
    ) -> Site:
        """Return the device that a volume is to be made on; the same for the same request.

        Args:
            parameters: of the StorageClass; `rds` and `rdsAddress` name a device.
            requisite: the volume must be reached from one of these; from anywhere if none.
            preferred: the same, best first.
            suffix: the device that the content comes from.

        Raises:
            InvalidRequest: the parameters name a device that there is not, or another one.
            Exhausted: no device is reached from where it must be.
        """
        candidates = self._named(parameters)
        if suffix is not None:
            source = self.of_suffix(suffix)
            if source not in candidates:
                raise InvalidRequest(
                    f"volume_content_source is on device {source.name}, and parameters name another"
                )
            candidates = [source]
        requisite, preferred = list(requisite), list(preferred)
        wanted = [*preferred, *requisite]
        for segments in wanted:
            for site in candidates:
                if site.is_reached_from(segments) and _admitted(site, requisite):
                    return site
        if wanted:
            names = ", ".join(site.name for site in candidates)
            raise Exhausted(
                f"accessibility_requirements leave no device: {names} cannot be reached from there"
            )
        return candidates[0]

    def _named(self, parameters: Mapping[str, str]) -> list[Site]:
        sites = list(self._by_suffix.values())
        if name := parameters.get("rds", ""):
            sites = [site for site in sites if site.name == name]
            if not sites:
                known = ", ".join(site.name for site in self._by_suffix.values())
                raise InvalidRequest(f"parameters.rds must be one of {known}, not {shown(name)}")
        if address := parameters.get("rdsAddress", ""):
            # The existing driver took it for the storage address too, where there was no other.
            sites = [
                site
                for site in sites
                if address in (site.settings.rds_address, site.settings.nvme_address)
            ]
            if not sites:
                raise InvalidRequest(
                    f"parameters.rdsAddress {shown(address)} is not the address of a device that "
                    "this controller is configured with"
                )
        return sites


def _admitted(site: Site, requisite: list[Segments]) -> bool:
    return not requisite or any(site.is_reached_from(segments) for segments in requisite)


def parse_sites(text: str, settings: ControllerSettings) -> Sites:
    """Read a devices file.

    Raises:
        ValueError: with all that is wrong, a line each.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {error}") from None
    entries = content.get("devices") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError("must have a list of devices under the key devices")
    problems: list[str] = []
    sites = [_site(entry, i, settings, problems) for i, entry in enumerate(entries)]
    if len({site.name for site in sites}) != len(sites):
        problems.append("every device needs a rds-name of its own")
    if sum(not site.suffix for site in sites) != 1:
        # Told by a mark and not by the order, which somebody may tidy up one day.
        problems.append("exactly one device must have default: true; its volumes have bare IDs")
    if problems:
        raise ValueError("\n".join(problems))
    return Sites(sorted(sites, key=lambda site: bool(site.suffix)))


def _site(entry: object, index: int, settings: ControllerSettings, problems: list[str]) -> Site:
    where = f"devices[{index}]"
    if not isinstance(entry, dict):
        problems.append(f"{where} must be a mapping")
        return Site(settings)
    given = {str(key): value for key, value in entry.items()}
    is_default = _read(where, "default", given.pop("default", False), switch, problems) is True
    values: dict[str, Any] = {}
    fields = {f.name: f for f in dataclasses.fields(settings) if f.name in _OWN}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in fields:
            known = ", ".join(own.replace("_", "-") for own in _OWN)
            problems.append(f"{where}.{key} is not known; known are default, {known}")
            continue
        parsed = _read(where, key, value, fields[name].metadata["parse"], problems)
        if parsed is not None:
            values[name] = parsed
    if "rds-name" not in given:
        problems.append(f"{where}.rds-name is required")
    own = dataclasses.replace(settings, **values)
    problems += [f"{where}: {problem}" for problem in device_problems(own)]
    return Site(own, "" if is_default else own.rds_name)


def _read(where: str, key: str, value: Any, parse: Any, problems: list[str]) -> Any:  # noqa: ANN401
    if value is None:
        problems.append(f"{where}.{key} has no value")
        return None
    if isinstance(value, dict):
        value = ",".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        value = ",".join(str(part) for part in value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    try:
        return parse(str(value))
    except (ValueError, RdsCsiError) as error:
        problems.append(f"{where}.{key}: {error}")
        return None
