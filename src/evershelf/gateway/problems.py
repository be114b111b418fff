"""Everything that is not a success leaves the gateway through here, as application/problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evershelf.contracts.problems import InvalidParameter, Problem, ProblemType
from evershelf.gateway.parts import parts_of
from evershelf.gateway.problem_meanings import MEANINGS

PAGES_PATH = "/problems"
API_PATH = "/v1/"
# In the ASGI scope of a request: more headers for its answer, whatever that will be.
ANSWER_HEADERS = "evershelf.answer_headers"
MEDIA_TYPE = "application/problem+json"
INVALID_PARAMETERS_MAX = 20
PARAMETER_NAME_LENGTH_MAX = 200
RETRY_AFTER_S = 1


# "Try again" is only fair with "when".
_TEMPORARY = frozenset({503})


class ProblemError(Exception):
    """A request ends without success, for the reason that `problem_type` names; `detail` says what to mend."""

    def __init__(
        self,
        problem_type: ProblemType,
        detail: str,
        *,
        invalid_parameters: Sequence[InvalidParameter] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem_type = problem_type
        self.detail = detail
        self.invalid_parameters = tuple(invalid_parameters)
        self.headers = dict(headers or {})


def problem_response(problem: ProblemError) -> Response:
    """The problem as it is sent; a temporary one says when to try again."""
    kind = MEANINGS[problem.problem_type]
    body = Problem(
        type=f"{PAGES_PATH}/{problem.problem_type}",
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        invalid_parameters=list(problem.invalid_parameters),
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if kind.status in _TEMPORARY else {}
    return Response(body.model_dump_json(), kind.status, headers | problem.headers, MEDIA_TYPE)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body, of which no more than `limit_bytes` are ever held, whether or not it announces its length.

    Raises ProblemError: body-too-large, or invalid-request for a body that is encoded (a small one that inflates to
    a huge one would block all other requests).
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        wanted = InvalidParameter(name="Content-Encoding", detail="must be identity or left out")
        raise ProblemError(
            ProblemType.INVALID_REQUEST, "Send the body without compression.", invalid_parameters=[wanted]
        )
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


def _too_large(limit_bytes: int) -> ProblemError:
    return ProblemError(ProblemType.BODY_TOO_LARGE, f"A body here has at most {limit_bytes} bytes. Send less.")


def install(app: FastAPI) -> None:
    """Makes every failure of `app` a problem, and puts the security headers on every answer."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_middleware(Boundary)


# On every answer. The policy says that nothing here is a page that may load or be framed by anything.
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
# What is answered about users and keys belongs to the caller alone.
_OF_THE_API = (*_SECURITY, (b"cache-control", b"no-store"))
# FastAPI's pages about the API load their scripts from elsewhere.
_PAGES = frozenset({"/docs", "/redoc"})


def security_headers(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that every answer at this path carries besides its own."""
    if path.startswith(API_PATH):
        return _OF_THE_API
    return _SECURITY[:1] if path in _PAGES else _SECURITY


class Boundary:
    """The outermost layer that is ours, pure ASGI: no bug behind it shows the caller more than "internal error"."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything but HTTP through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in security_headers(scope["path"]) if pair[0] not in own),
                    *scope.get(ANSWER_HEADERS, ()),
                ]  # fmt: skip
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:  # nobody is left to be told
            return
        except ProblemError as problem:
            await problem_response(problem)(scope, receive, send_with_headers)
        except Exception as error:
            # The application's boundary: counted and logged there, told here, unless half an answer is out already.
            parts_of(Request(scope)).telemetry.caught("request", error)
            if started:
                raise
            await problem_response(INTERNAL_ERROR)(scope, receive, send_with_headers)


INTERNAL_ERROR = ProblemError(
    ProblemType.INTERNAL_ERROR, "This is a bug of ours, counted and logged. The same request may fail again."
)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(problem_of(error))


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(_of_http(error))


def problem_of(error: RequestValidationError) -> ProblemError:
    """What FastAPI found wrong with a request. Values that were sent are not repeated."""
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return ProblemError(ProblemType.MALFORMED_JSON, "The body cannot be read as JSON.")
    refused = [_parameter(each["loc"][1:] or each["loc"], each["msg"]) for each in found[:INVALID_PARAMETERS_MAX]]
    names = ", ".join(dict.fromkeys(parameter.name for parameter in refused))
    return ProblemError(ProblemType.INVALID_REQUEST, f"Not accepted: {names}.", invalid_parameters=refused)


def invalid_parameters(error: ValidationError) -> list[InvalidParameter]:
    """What pydantic found wrong with one document. Values that were sent are not repeated."""
    return [_parameter(each["loc"], each["msg"]) for each in error.errors()[:INVALID_PARAMETERS_MAX]]


def _parameter(path: Sequence[int | str], detail: str) -> InvalidParameter:
    return InvalidParameter(name=".".join(map(str, path))[:PARAMETER_NAME_LENGTH_MAX], detail=detail)


def _of_http(error: HTTPException) -> ProblemError:
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return ProblemError(ProblemType.NOT_FOUND, "See /openapi.json for what there is.", headers=headers)
    if error.status_code == 405:
        allowed = headers.get("Allow", headers.get("allow", "see /openapi.json"))
        return ProblemError(ProblemType.METHOD_NOT_ALLOWED, f"Allowed here: {allowed}.", headers=headers)
    if error.status_code == 413:
        return ProblemError(ProblemType.BODY_TOO_LARGE, "Send less.", headers=headers)
    if error.status_code == 400:  # FastAPI's word for a body that is not even text
        return ProblemError(ProblemType.MALFORMED_JSON, "The body cannot be read as JSON.", headers=headers)
    return INTERNAL_ERROR
