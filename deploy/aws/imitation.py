"""A local imitation of AWS for `deploy/aws/check apply`: moto, and the one call that Terraform needs and moto lacks."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

TAGS_OF_A_SCALING_TARGET = "AnyScaleFrontendService.ListTagsForResource"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_tags(moto: Application) -> Application:
    """Answers for Application Auto Scaling that nothing has tags, which is so; everything else is moto's."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET") != TAGS_OF_A_SCALING_TARGET:
            return moto(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
        return [b'{"Tags": {}}']

    return answer


def main() -> None:
    """Serve on the port of the first argument until ended."""
    # Roles attach AWS's own policies; moto reads this when it is imported.
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - see above
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple  # noqa: PLC0415 - comes with moto

    application = with_tags(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
