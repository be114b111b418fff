"""How the API documents tell of refusals: any operation may be refused, and every refusal is a problem (RFC 9457)."""

from typing import Any

from evershelf.contracts.problems import Problem

MEDIA_TYPE = "application/problem+json"
Document = dict[str, Any]  # Any: JSON as FastAPI makes it
_SCHEMAS = "#/components/schemas/"
_REFUSAL = f"{_SCHEMAS}Problem"
# What FastAPI would answer to an unsound request; its description of it has to go as well.
_FASTAPIS_OWN = f"{_SCHEMAS}HTTPValidationError"
_RANGES = {
    "4XX": "The request is refused: no key, no such thing, not sound, too large, quota used up. `type` says which.",
    "5XX": "It cannot be done now. `type` says why.",
}


def with_refusals(document: Document) -> Document:
    """The document, changed in place; a second time changes nothing."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas |= schema.pop("$defs") | {"Problem": schema}
    for operations in document["paths"].values():
        for operation in operations.values():
            _describe(operation["responses"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _describe(answers: Document) -> None:
    refusal = {MEDIA_TYPE: {"schema": {"$ref": _REFUSAL}}}
    for answer in answers.values():
        told = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if told.get("$ref") in {_REFUSAL, _FASTAPIS_OWN}:
            answer["content"] = refusal
    for statuses, description in _RANGES.items():
        answers.setdefault(statuses, {"description": description, "content": refusal})
