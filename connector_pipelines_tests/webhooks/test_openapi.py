"""The receiver's OpenAPI document, held against the receiver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from connector_pipelines.webhooks.admission import Refusal
from connector_pipelines.webhooks.metrics import Metrics
from connector_pipelines.webhooks.receiver import Receiver, application

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs/webhooks-openapi.yaml").read_text(encoding="utf-8"))


def test_it_names_every_address_and_answer(broken_line: Any) -> None:
    """Every route is documented with its method, and a delivery with every status that it can be answered with."""
    app = application(Receiver({}, broken_line, Metrics(broken_line), ()))
    served = {(route.path, method.lower()) for route in app.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]  # all are plain routes
    assert {(path, method) for path, item in DOCUMENT["paths"].items() for method in item} == served
    answers = {int(status) for status in DOCUMENT["paths"]["/webhooks/{source}"]["post"]["responses"]}
    assert answers == {200, 503} | {refusal.status.value for refusal in Refusal}
