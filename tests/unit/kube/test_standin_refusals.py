"""How the stand-in for the API server refuses, and who may do what."""

import pytest

from libs.mockkube import errors
from libs.mockkube.accounts import Account, Rule, parse_rules
from libs.mockkube.errors import Failure
from libs.mockkube.resources import Target
from tests.unit.kube.standin import OF_KIND, SET, Object, target

LEASE, NODE = OF_KIND["Lease"], OF_KIND["Node"]
OF_LEASE = {"name": "a", "group": "coordination.k8s.io", "kind": "leases"}
OF_NODE = {"name": "a", "kind": "nodes"}


def refusals() -> list[tuple[Failure, int, str, str, Object]]:
    """Return each with its code, its reason, its message, and what it is about."""
    kept = 'Operation cannot be fulfilled on nodes "a": '
    cause = {"reason": "FieldValueInvalid", "message": "too long", "field": "spec"}
    return [
        (errors.bad_request("no"), 400, "BadRequest", "no", {}),
        (errors.unauthorized(), 401, "Unauthorized", "Unauthorized", {}),
        (errors.forbidden(LEASE, "a", "no"), 403, "Forbidden", "no", OF_LEASE),
        (errors.not_found(NODE, "a"), 404, "NotFound", 'nodes "a" not found', OF_NODE),
        (
            *(errors.already_exists(SET, "a"), 409, "AlreadyExists"),
            'things.example.org "a" already exists',
            {"name": "a", "group": "example.org", "kind": "things"},
        ),
        (errors.conflict(NODE, "a", "no"), 409, "Conflict", kept + "no", OF_NODE),
        (
            *(errors.conflict(NODE, "a"), 409, "Conflict"),
            kept + "the object has been modified",
            OF_NODE,
        ),
        (errors.expired("too old"), 410, "Expired", "too old", {}),
        (
            *(errors.unsupported("text/plain"), 415, "UnsupportedMediaType"),
            "content type text/plain is not accepted here",
            {},
        ),
        (
            *(errors.invalid(LEASE, "a", "spec", "too long"), 422, "Invalid"),
            'Lease.coordination.k8s.io "a" is invalid: spec: too long',
            OF_LEASE | {"kind": "Lease", "causes": [cause]},
        ),
    ]


def test_a_refusal_is_a_status_with_its_code_its_reason_and_what_it_is_about() -> None:
    expected = [
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }
        for _, code, reason, message, details in refusals()
    ]

    assert [failure.body for failure, *_ in refusals()] == expected
    assert [failure.details for failure, *_ in refusals()] == [row[-1] for row in refusals()]
    assert [str(failure) for failure, *_ in refusals()] == [row[3] for row in refusals()]


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule(("",), ("pods",), ("get",)), True),
        (Rule(("*",), ("*",), ("*",)), True),
        (Rule(("apps", ""), ("nodes", "pods"), ("list", "get")), True),
        (Rule(("apps",), ("pods",), ("get",)), False),
        (Rule(("",), ("pods/status",), ("get",)), False),
        (Rule(("",), ("pods",), ("list",)), False),
        (Rule(("",), ("pods",), ("get",), names=("a", "b")), True),
        (Rule(("",), ("pods",), ("get",), names=("b",)), False),
        (Rule(("",), ("pods",), ("get",), namespace="ns"), True),
        (Rule(("",), ("pods",), ("get",), namespace="other"), False),
    ],
)
def test_a_rule_allows_what_all_of_it_says(
    rule: Rule,
    allowed: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert rule.allows("get", target("Pod", "ns", name="a")) is allowed


def test_a_part_of_an_object_is_allowed_by_itself() -> None:
    status = target("Pod", "ns", name="a", part="status")

    assert Rule(("",), ("pods/status",), ("get",)).allows("get", status)
    assert not Rule(("",), ("pods",), ("get",)).allows("get", status)


def test_a_rule_counts_everywhere_where_nothing_else_is_said() -> None:
    rules = parse_rules(
        [
            {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]},
        ]
    )

    assert rules == (Rule(("",), ("pods",), ("get",), names=("a",), namespace=""),)


def test_whoever_has_no_rules_is_the_administrator_and_whoever_has_none_left_is_nobody() -> None:
    Account().check("delete", target("Node", name="a"))

    assert Account().user == "system:admin"
    with pytest.raises(Failure, match="is forbidden"):
        Account("nobody", ()).check("delete", target("Node", name="a"))


@pytest.mark.parametrize(
    ("asked", "what", "where"),
    [
        (Target(LEASE, "ns", "a"), "leases", 'coordination.k8s.io" in the namespace "ns"'),
        (Target(NODE, "", "a", "status"), "nodes/status", '" at cluster scope'),
    ],
)
def test_the_refusal_of_a_request_says_who_asked_for_what_and_where(
    asked: Target, what: str, where: str
) -> None:
    refusal = Account("someone", ()).refusal("get", asked)

    who = f'{asked.resource.full_name} "a" is forbidden: User "someone" cannot get resource '
    about = OF_LEASE if asked.namespace else OF_NODE
    assert (refusal.code, refusal.details) == (403, about)
    assert refusal.message == f'{who}"{what}" in API group "{where}'
