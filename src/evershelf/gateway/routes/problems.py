"""The pages behind problem types: what each means and what to do, so that `type` is an address that answers."""

from html import escape

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, JSONResponse

from evershelf.contracts.problems import ProblemType
from evershelf.gateway.problem_meanings import MEANINGS, Meaning
from evershelf.gateway.problems import PAGES_PATH, ProblemError

router = APIRouter(tags=["problems"])

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1><p><code>{slug}</code>, HTTP {status}</p><p>{meaning}</p><h2>What to do</h2><p>{advice}</p></html>
"""


@router.get(PAGES_PATH + "/{slug}", response_class=Response)
async def get_problem_page(request: Request, slug: str) -> Response:
    """What a problem type means and what to do: a page for people (Accept: text/html), JSON for everything else."""
    try:
        problem_type = ProblemType(slug)
    except ValueError as error:
        known = ", ".join(ProblemType)
        raise ProblemError(ProblemType.NOT_FOUND, f"There is no such problem type. Known: {known}.") from error
    told = _told(problem_type, MEANINGS[problem_type])
    if "text/html" in request.headers.get("Accept", ""):
        return HTMLResponse(_PAGE.format_map({name: escape(str(value)) for name, value in told.items()}))
    return JSONResponse(told)


def _told(problem_type: ProblemType, meaning: Meaning) -> dict[str, str | int]:
    return {
        "type": f"{PAGES_PATH}/{problem_type.value}",
        "slug": problem_type.value,
        "title": meaning.title,
        "status": meaning.status,
        "meaning": meaning.meaning,
        "advice": meaning.advice,
    }
