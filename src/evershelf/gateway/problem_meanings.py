"""What each type of problem means and what to do about it: one table for the answers, their pages and the reference."""

from collections.abc import Mapping
from dataclasses import dataclass

from evershelf.contracts.problems import ProblemType


@dataclass(frozen=True, slots=True)
class Meaning:
    """What all problems of one type have in common."""

    status: int
    title: str
    meaning: str
    advice: str


MEANINGS: Mapping[ProblemType, Meaning] = {
    ProblemType.MALFORMED_JSON: Meaning(
        400,
        "The body is not JSON",
        "The body could not be read as JSON in UTF-8.",
        "Check what your client sends: a cut-off body and a form instead of JSON are the usual causes.",
    ),
    ProblemType.INVALID_REQUEST: Meaning(
        422,
        "The request is not valid",
        "The request was understood, but a value in it breaks a rule. Nothing was done.",
        "`invalid_parameters` names each field and what it should have been. Mend those; do not retry as it is.",
    ),
    ProblemType.UNKNOWN_PLACEMENT: Meaning(
        404,
        "There is no such placement",
        "The placement asked for is not configured.",
        "GET /v1/placements lists those there are; PUT /v1/placements/{name} makes a new one.",
    ),
    ProblemType.UNKNOWN_ITEM: Meaning(
        404,
        "There is no such item",
        "The catalog holds no item of this id, or it was deleted.",
        "Import the item first, or check the spelling: ids are compared letter by letter.",
    ),
    ProblemType.UNKNOWN_USER: Meaning(
        404,
        "There is no such user",
        "No attributes are stored for this user.",
        "Nothing needs mending before you ask for recommendations: an unknown user gets a cold-start list.",
    ),
    ProblemType.MISSING_KEY: Meaning(
        401,
        "An API key is needed",
        "The request carries no API key.",
        "Send `Authorization: Bearer evs_...`. `evershelf key create` makes a key.",
    ),
    ProblemType.WRONG_KEY: Meaning(
        401,
        "The API key is not valid",
        "The key is unknown to this installation, was revoked, or is misspelt.",
        "Check for a cut-off or a key of another installation. A new key is valid within seconds of its creation.",
    ),
    ProblemType.MISSING_SCOPE: Meaning(
        403,
        "The API key does not allow this",
        "The key is valid, but lacks the scope that this address asks for.",
        "Use a key with that scope. `admin` implies all others.",
    ),
    ProblemType.QUOTA_EXCEEDED: Meaning(
        429,
        "The quota of this API key is used up",
        "The key has sent more requests than its quota allows. Load is never answered so, only a quota.",
        "Wait for `Retry-After` seconds, and send more evenly: `RateLimit` says what is left, `RateLimit-Policy` how "
        "much there is. An operator can make a key with a larger quota.",
    ),
    ProblemType.HEAD_TOO_LARGE: Meaning(
        431,
        "Address and headers are too large",
        "The address and the headers are longer together than this server takes. Nothing was done.",
        "Send long lists in the body of a POST instead of the address, and leave out headers that are not needed.",
    ),
    ProblemType.BODY_TOO_LARGE: Meaning(
        413,
        "The body is too large",
        "The body is longer than this address takes. None of it was looked at.",
        "Send less at once: split a batch, and leave out what is not needed.",
    ),
    ProblemType.NOT_FOUND: Meaning(
        404,
        "There is nothing at this address",
        "No resource has this path.",
        "/openapi.json lists every path there is.",
    ),
    ProblemType.METHOD_NOT_ALLOWED: Meaning(
        405,
        "This address does not take this method",
        "The path exists, but not for this HTTP method.",
        "The header `Allow` names the methods that it takes.",
    ),
    ProblemType.EVENTS_NOT_DURABLE: Meaning(
        503,
        "The events could not be made durable",
        "The gateway's disk or spool has no room, so none of these events was accepted.",
        "Send the same events again after `Retry-After` seconds; their event_ids make that harmless.",
    ),
    ProblemType.CATALOG_UNAVAILABLE: Meaning(
        503,
        "The catalog cannot be read or changed just now",
        "PostgreSQL is away or did not answer in time. Recommendations and events are not affected.",
        "Try again after `Retry-After` seconds. A change that was not confirmed may or may not have been made; making "
        "it again is harmless.",
    ),
    ProblemType.CONFLICT: Meaning(
        409,
        "It is no longer as you saw it",
        "What you wanted to change has changed meanwhile, or is in a state that does not allow this. Nothing was done.",
        "Read it again, and decide again.",
    ),
    ProblemType.DATABASE_UNAVAILABLE: Meaning(
        503,
        "PostgreSQL is needed for this and is away",
        "This page of the console reads or writes PostgreSQL, which did not answer in time. Answers go on from memory.",
        "Try again after `Retry-After` seconds; /dependencies says what this gateway sees of PostgreSQL.",
    ),
    ProblemType.REGISTRY_UNAVAILABLE: Meaning(
        503,
        "The registry cannot be read or changed just now",
        "Model versions live in the registry, which failed or did not answer in time. Answers go on.",
        "Try again after `Retry-After` seconds; look whether the disk or bucket behind EVERSHELF_REGISTRY is there.",
    ),
    ProblemType.NOT_READY: Meaning(
        503,
        "Not ready yet",
        "The process runs, but has nothing to answer from yet.",
        "Wait for a snapshot (gateway: `evershelf refresh`) or a model version (inference: `evershelf train`).",
    ),
    ProblemType.OVERLOADED: Meaning(
        503,
        "Too much is in hand",
        "Inference has as many requests in hand as it takes, which no caller sees, or the gateway as much of batches.",
        "Send the batch again after `Retry-After` seconds; send fewer of them at a time.",
    ),
    ProblemType.DEADLINE_EXCEEDED: Meaning(
        504,
        "The budget was spent before the answer",
        "Inference gave up a request whose caller no longer waits. Callers of the gateway never see this.",
        "The gateway answers from its baseline meanwhile; if it happens often, look at the load of inference.",
    ),
    ProblemType.INTERNAL_ERROR: Meaning(
        500,
        "Something went wrong inside",
        "A bug of ours, counted in `evershelf_caught_errors_total` and logged.",
        "The same request may fail again. Please report it with the lines `error_caught` of the log.",
    ),
}
