"""The example web service, started as its page says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pandas as pd
import pytest

import skhlm

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "tests/data/sleepstudy.skhlm"
OPENER = build_opener(ProxyHandler({}))


def start(directory, *options):
    """The service in a process of its own, on a free port."""
    return subprocess.Popen(
        [sys.executable, ROOT / "docs/examples/serve.py", MODEL, "--port", "0", *options],
        cwd=directory,
        env={"PYTHONPATH": str(Path(skhlm.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    process = start(tmp_path_factory.mktemp("service"))
    yield process.stdout.readline().strip()
    process.kill()
    process.communicate()


def ask(url, body, path="/predict"):
    """Status and answer."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with OPENER.open(Request(url + path, data), timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_rows_in_predictions_out(url):
    rows = [
        {"days": 3, "subject": "308"},
        {"days": 3.5, "subject": "somebody new"},
        {"subject": None, "days": 0},
        {"days": 1},
    ]
    status, answer = ask(url, {"rows": rows, "coverage": 0.5})
    assert status == 200
    found = pd.DataFrame(answer["predictions"])
    model = skhlm.load(MODEL)
    X = pd.DataFrame(rows)[list(model.feature_names_in_)]
    np.testing.assert_array_equal(found["mean"], model.predict(X))
    np.testing.assert_array_equal(found[["lower", "upper"]], model.predict_interval(X, 0.5))
    width = found["upper"] - found["lower"]
    assert width[1] > width[0]
    assert ask(url, {"rows": rows[:1]})[1]["predictions"][0]["mean"] == found["mean"][0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no JSON", "Expecting value"),
        (b"[" * 100_000, "recursion"),
        ([], "'rows' must be a list"),
        ({"rows": []}, "'rows' must be a list"),
        ({"rows": [1]}, "each row must be an object"),
        ({"rows": [{}] * 1001}, "1 to 1000"),
        ({"rows": [{"dose": 1}]}, "unknown columns ['dose']"),
        ({"rows": [{"subject": "308"}]}, "days"),
        ({"rows": [{"days": "many", "subject": "308"}]}, "days"),
        ({"rows": [{"days": 1, "subject": 308}]}, "subject"),
        ({"rows": [{"days": 1, "subject": "308"}], "coverage": 2}, "coverage"),
    ],
)
def test_what_the_client_got_wrong_is_said(url, body, words):
    status, answer = ask(url, body)
    assert status == 400
    assert words in answer["error"]


def test_other_routes_and_long_bodies(url):
    assert ask(url, None, "/health") == (200, {"status": "ok"})
    assert ask(url, None, "/elsewhere")[0] == 404
    assert ask(url, None)[0] == 404
    connection = HTTPConnection(url.removeprefix("http://"))
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", str(2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_threads_share_the_model(url):
    def one(day):
        return ask(url, {"rows": [{"days": day, "subject": "309"}]})

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(one, range(12)))
    assert together == [one(day) for day in range(12)]
    assert all(status == 200 for status, _ in together)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_when_told_to(tmp_path, number):
    process = start(tmp_path, "--host", "0.0.0.0")
    url = process.stdout.readline().strip()
    assert url.startswith("http://0.0.0.0:")
    assert ask(url.replace("0.0.0.0", "127.0.0.1"), None, "/health")[0] == 200
    process.send_signal(number)
    process.wait(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in process.communicate()[1]


def test_the_page_says_how_long_it_is():
    length = len((ROOT / "docs/examples/serve.py").read_text().splitlines())
    assert f"a WSGI application of {length} lines" in (ROOT / "docs/deploy.md").read_text()
