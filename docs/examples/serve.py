"""A web service that predicts with a model file, from the standard library alone.

    python docs/examples/serve.py demand.skhlm --port 8000

or, with several processes that share the model's memory,

    MODEL=$PWD/demand.skhlm gunicorn --preload -w 4 --chdir docs/examples "serve:application()"

`POST /predict` takes ``{"rows": [{"price": 2.5, "country": "FR"}, ...], "coverage": 0.9}`` and
answers ``{"predictions": [{"mean": ..., "lower": ..., "upper": ...}, ...]}``. A group that the
model has not seen, or none at all, is predicted without its effect, and with a wider interval.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import numpy as np
import pandas as pd

import skhlm

MAX_BYTES, MAX_ROWS = 2**20, 1000  # of one request

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Service:
    """A WSGI application; its model is never changed, so threads may share it.

    Parameters
    ----------
    model : HLMRegressor
        Fitted on a frame whose columns have names.
    """

    def __init__(self, model: skhlm.HLMRegressor) -> None:
        self.model = model
        self.columns = list(model.feature_names_in_)

    def __call__(self, request: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, body = self.respond(request)
        text = json.dumps(body).encode()
        length = ("Content-Length", str(len(text)))
        start_response(status, [("Content-Type", "application/json"), length])
        return [text]

    def respond(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Status and body; what the client got wrong is said to the client."""
        route = request["REQUEST_METHOD"], request["PATH_INFO"]
        if route == ("GET", "/health"):
            return "200 OK", {"status": "ok"}
        if route != ("POST", "/predict"):
            return "404 Not Found", {"error": "POST /predict or GET /health"}
        length = request.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > MAX_BYTES:
            return "413 Content Too Large", {"error": f"at most {MAX_BYTES} bytes"}
        try:
            return "200 OK", self.answer(json.loads(request["wsgi.input"].read(int(length))))
        except (ValueError, TypeError, RecursionError) as error:
            return "400 Bad Request", {"error": str(error)}

    def answer(self, question: Any) -> dict[str, Any]:
        """Means and intervals of the rows asked about."""
        X = self.frame(question.get("rows") if isinstance(question, dict) else None)
        mean = np.asarray(self.model.predict(X))
        interval = self.model.predict_interval(X, question.get("coverage", 0.9))
        return {
            "predictions": [
                {"mean": value, "lower": lower, "upper": upper}
                for value, (lower, upper) in zip(mean.tolist(), interval.tolist(), strict=True)
            ]
        }

    def frame(self, rows: Any) -> pd.DataFrame:
        """Rows as a frame with the columns of the model; a column left out is missing."""
        if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ROWS:
            raise ValueError(f"'rows' must be a list of 1 to {MAX_ROWS} objects")
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("each row must be an object")
        if unknown := {name for row in rows for name in row} - set(self.columns):
            raise ValueError(f"unknown columns {sorted(unknown)}; there are {self.columns}")
        return pd.DataFrame({name: [row.get(name) for row in rows] for name in self.columns})


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


def application() -> Service:
    """The service of the file that the environment variable MODEL names."""
    return Service(skhlm.load(os.environ["MODEL"]))


def main() -> None:
    """Serve a model until Ctrl-C or SIGTERM, which is what stops a container."""
    parser = argparse.ArgumentParser(description="Predict with a model file over HTTP.")
    parser.add_argument("model", help="a file that skhlm.save wrote")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from outside")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one")
    arguments = parser.parse_args()
    service = Service(skhlm.load(arguments.model))
    with make_server(arguments.host, arguments.port, service, server_class=Server) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: Thread(target=server.shutdown).start())
        print(f"http://{arguments.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
