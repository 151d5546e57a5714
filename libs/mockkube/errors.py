"""Refusals, with the `Status` bodies in which the Kubernetes API wraps them. Pure."""

from typing import Any

from libs.mockkube.resources import Resource

Object = dict[str, Any]


class Failure(Exception):
    """A request that is answered with a Status.

    Attributes:
        code: the HTTP status.
        reason: the machine-readable word (Kubernetes: `StatusReason`).
        message: for people.
        details: which object it is about.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    @property
    def body(self) -> Object:
        """The Status."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


class NotServed(Exception):
    """There is no such API; a real server answers that with a line of text and no Status."""


def _about(resource: Resource, name: str) -> Object:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def bad_request(message: str) -> Failure:
    """Return the refusal of what could not be read."""
    return Failure(400, "BadRequest", message)


def unauthorized() -> Failure:
    """Return the refusal of credentials."""
    return Failure(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, message: str) -> Failure:
    """Return the refusal of what this account may not do, or what nobody may do now."""
    return Failure(403, "Forbidden", message, _about(resource, name))


def not_found(resource: Resource, name: str) -> Failure:
    """Return the refusal for an object that there is not."""
    message = f'{resource.full_name} "{name}" not found'
    return Failure(404, "NotFound", message, _about(resource, name))


def already_exists(resource: Resource, name: str) -> Failure:
    """Return the refusal of a name that is taken."""
    message = f'{resource.full_name} "{name}" already exists'
    return Failure(409, "AlreadyExists", message, _about(resource, name))


def conflict(resource: Resource, name: str, why: str = "the object has been modified") -> Failure:
    """Return the refusal of a change to another version than the one that there is."""
    message = f'Operation cannot be fulfilled on {resource.full_name} "{name}": {why}'
    return Failure(409, "Conflict", message, _about(resource, name))


def invalid(resource: Resource, name: str, field: str, why: str) -> Failure:
    """Return the refusal of a field."""
    message = f'{resource.qualified_kind} "{name}" is invalid: {field}: {why}'
    cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
    details = _about(resource, name) | {"kind": resource.kind, "causes": [cause]}
    return Failure(422, "Invalid", message, details)


def expired(message: str) -> Failure:
    """Return the refusal of a version that has been forgotten."""
    return Failure(410, "Expired", message)


def unsupported(content_type: str) -> Failure:
    """Return the refusal of a body of another type."""
    return Failure(415, "UnsupportedMediaType", f"content type {content_type} is not accepted here")
