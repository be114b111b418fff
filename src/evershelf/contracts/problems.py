"""Problems: the caller's own mistakes, as RFC 9457 bodies with types that can be looked up."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class ProblemType(StrEnum):
    """Closed set; the gateway serves a page for each under /problems/<value>."""

    MALFORMED_JSON = "malformed-json"
    INVALID_REQUEST = "invalid-request"
    UNKNOWN_PLACEMENT = "unknown-placement"
    UNKNOWN_ITEM = "unknown-item"
    UNKNOWN_USER = "unknown-user"
    MISSING_KEY = "missing-key"
    WRONG_KEY = "wrong-key"
    MISSING_SCOPE = "missing-scope"
    QUOTA_EXCEEDED = "quota-exceeded"
    HEAD_TOO_LARGE = "head-too-large"
    BODY_TOO_LARGE = "body-too-large"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    EVENTS_NOT_DURABLE = "events-not-durable"
    CATALOG_UNAVAILABLE = "catalog-unavailable"
    CONFLICT = "conflict"
    DATABASE_UNAVAILABLE = "database-unavailable"
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    NOT_READY = "not-ready"
    OVERLOADED = "overloaded"  # as much is in hand as fits: requests at inference, bodies of batches at the gateway
    DEADLINE_EXCEEDED = "deadline-exceeded"  # inference only: the caller's budget was spent before the answer
    INTERNAL_ERROR = "internal-error"


class InvalidParameter(BaseModel):
    """One field that was refused, by its path, and what it should have been."""

    model_config = ConfigDict(frozen=True)

    name: str
    detail: str


class Problem(BaseModel):
    """The body of every answer that is not a success, sent as application/problem+json."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    invalid_parameters: list[InvalidParameter] = []
