"""Who may do what. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.mockkube.errors import Failure, forbidden
from libs.mockkube.resources import Target

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed, as RBAC's PolicyRule has it.

    Attributes:
        groups: the API groups; the core is the empty one.
        resources: plurals, with a slash and the subresource where it is one.
        verbs: of requests.
        names: the only objects; all, where there are none.
        namespace: the only namespace; all and the cluster, where it is empty.
    """

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespace: str = ""

    def allows(self, verb: str, target: Target) -> bool:
        """Whether it allows a request."""
        part = f"/{target.part}" if target.part else ""
        return (
            bool({verb, _ALL} & set(self.verbs))
            and bool({target.resource.group, _ALL} & set(self.groups))
            and bool({target.resource.plural + part, _ALL} & set(self.resources))
            and (not self.names or target.name in self.names)
            and self.namespace in ("", target.namespace)
        )


@dataclass(frozen=True, slots=True)
class Account:
    """Who holds a token.

    Attributes:
        user: the name, in messages.
        rules: what is allowed; everything, where it is None.
    """

    user: str = "system:admin"
    rules: tuple[Rule, ...] | None = None

    def check(self, verb: str, target: Target) -> None:
        """Refuse what no rule allows.

        Raises:
            Failure: it is not allowed.
        """
        if self.rules is None or any(rule.allows(verb, target) for rule in self.rules):
            return
        raise self.refusal(verb, target)

    def refusal(self, verb: str, target: Target) -> Failure:
        """Return the refusal of a request."""
        resource = target.resource
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at cluster scope"
        what = f"{resource.plural}/{target.part}" if target.part else resource.plural
        message = (
            f'{resource.full_name} "{target.name}" is forbidden: User "{self.user}" cannot '
            f'{verb} resource "{what}" in API group "{resource.group}" {where}'
        )
        return forbidden(resource, target.name, message)


def parse_rules(items: Iterable[Mapping[str, Any]], namespace: str = "") -> tuple[Rule, ...]:
    """Read the rules of a Role or ClusterRole; those about URLs are left out.

    Args:
        items: what the role has as `rules`.
        namespace: where the role counts; everywhere, where it is empty.
    """
    return tuple(
        Rule(
            groups=tuple(item["apiGroups"]),
            resources=tuple(item["resources"]),
            verbs=tuple(item["verbs"]),
            names=tuple(item.get("resourceNames") or ()),
            namespace=namespace,
        )
        for item in items
        if "resources" in item
    )
