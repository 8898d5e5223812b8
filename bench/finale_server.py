"""Serves a rendered Finale account at the real paths, as a process of its own so that no contestant pays for it.

    python bench/finale_server.py --pages FOLDER --port PORT

`FOLDER/<version>/<collection>.json` is what that version's collection answers; `POST /control?version=2` switches. Any
credentials are good, and a filter is not looked at: orders were rendered with the one that everybody sends.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def application(folder: Path) -> Starlette:
    """The server of a folder that `finale.render` made."""
    served = {"version": "1"}

    async def collection(request: Request) -> Response:
        file = folder / served["version"] / f"{request.path_params['name']}.json"
        return FileResponse(file, media_type="application/json")

    async def control(request: Request) -> Response:
        served.update(request.query_params)
        return JSONResponse(served)

    return Starlette(
        routes=[Route("/demo/api/{name}/", collection), Route("/control", control, methods=["POST"])],
    )


def main() -> None:
    """Serve until the process is ended."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pages", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    given = arguments.parse_args()
    uvicorn.run(application(given.pages), host="127.0.0.1", port=given.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
