"""Asks one gateway, made from the settings in argv, the questions in argv and prints what it answers: a program."""

import asyncio
import json
import sys

import httpx2

from evershelf.gateway.app import create_app
from evershelf.gateway.settings import GatewaySettings


async def main(settings: dict[str, object], questions: list[dict[str, object]], key: str) -> None:
    app = create_app(GatewaySettings(**settings))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        # The widest budget: whether a history is read in time must not depend on the load of the machine.
        headers = {"Authorization": f"Bearer {key}", "X-Request-Deadline-Ms": "2000"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            for question in questions:
                answer = await client.post("/v1/recommendations", json=question)
                # The items alone, as they were sent: all else names this very answer.
                sys.stdout.write(answer.text[answer.text.index('"items":[{') :] + "\n")


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.stdin.read())))
