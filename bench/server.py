"""Serves rendered pages at the real OneRoster paths, as a process of its own so that no contestant pays for it.

    python bench/server.py --pages FOLDER --port PORT [--delay-ms 100]

Any credentials are good. `POST /control?version=2` switches what is served; `&enrollments=100000` serves only so many
of them. Pages are answered as they lie on disk: a look at the query string and a `read` are all that happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from pages import COLLECTIONS, PAGE_ROWS, Size, page_file
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

_BASE = "/ims/oneroster/rostering/v1p2"


@dataclass(slots=True)
class _Served:
    """What is served just now. `caps` cut collections short."""

    folder: Path
    size: Size
    delay_seconds: float
    version: int = 1
    caps: dict[str, int] = field(default_factory=dict)

    def total(self, path: str) -> int:
        rows = next(c.rows(self.size) for c in COLLECTIONS if c.path == path)
        return min(rows, self.caps.get(path, rows))


def application(folder: Path, *, delay_seconds: float) -> Starlette:
    """The server of a folder that `pages.render` made."""
    stamp = json.loads((folder / "size.json").read_text())
    size = Size(**{name: stamp[name] for name in Size.__dataclass_fields__})
    served = _Served(folder, size, delay_seconds)

    async def page(request: Request) -> Response:
        path = request.path_params["path"]
        limit, offset = (
            int(request.query_params.get(name, default)) for name, default in (("limit", 100), ("offset", 0))
        )
        total = served.total(path)
        headers = {"X-Total-Count": str(total), "Content-Type": "application/json"}
        await asyncio.sleep(served.delay_seconds)
        if offset >= total:
            envelope = next(c.envelope for c in COLLECTIONS if c.path == path)
            return Response(json.dumps({envelope: []}), headers=headers)
        if limit != PAGE_ROWS or offset % PAGE_ROWS:
            return JSONResponse({"imsx_description": f"only whole pages of {PAGE_ROWS} rows"}, status_code=400)
        if offset + limit < total:
            following = request.url.include_query_params(offset=offset + limit)
            headers["Link"] = f'<{following}>; rel="next"'
        return Response(page_file(folder, served.version, path, offset // limit).read_bytes(), headers=headers)

    async def token(_: Request) -> Response:
        return JSONResponse({"access_token": "bench", "token_type": "bearer", "expires_in": 3_600, "scope": ""})

    async def control(request: Request) -> Response:
        asked = dict(request.query_params)
        served.version = int(asked.pop("version", 1))
        served.caps = {path: int(rows) for path, rows in asked.items()}
        return JSONResponse({"version": served.version, "caps": served.caps})

    return Starlette(
        routes=[
            Route(f"{_BASE}/{{path}}", page),
            Route("/token", token, methods=["POST"]),
            Route("/control", control, methods=["POST"]),
        ]
    )


def main() -> None:
    """Serve until the process is ended."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pages", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--delay-ms", type=float, default=0, help="added to every page, in milliseconds")
    given = arguments.parse_args()
    app = application(given.pages, delay_seconds=given.delay_ms / 1000)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
