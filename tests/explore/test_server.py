"""Who may ask the page's server, and what it answers."""

import json

import pytest

from xpnn.explore import application

HOME = "http://127.0.0.1:5000"


@pytest.fixture
def client(pictures):
    return application(pictures, "token", 5000).test_client()


def test_the_page_and_its_answers_are_for_whoever_has_the_token(client, pictures):
    response = client.get("/token/", base_url=HOME)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    answer = client.post("/token/ask", base_url=HOME, json=["pass", 1], headers={"Origin": HOME})
    assert answer.get_json() == pictures.passed(1)


@pytest.mark.parametrize("path", ["/", "/other/", "/other/ask", "/favicon.ico", "/tokens/", "/%C3%A9/"])
def test_without_the_token_nothing_is_found(client, path):
    for method in ("GET", "POST"):
        assert client.open(path, method=method, base_url=HOME).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "127.0.0.1", "127.0.0.1:5001", "[::1]:5000"])
def test_another_host_is_refused(client, host):
    assert client.get("/token/", base_url=f"http://{host}").status_code == 403
    assert client.post("/token/ask", base_url=f"http://{host}", json=["pass", 0]).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:5001"])
def test_another_origin_is_refused(client, origin):
    assert client.post("/token/ask", base_url=HOME, json=["reset"], headers={"Origin": origin}).status_code == 403


def test_nothing_changes_but_by_a_post_of_json(client):
    assert client.get("/token/ask", base_url=HOME).status_code == 405
    assert client.post("/token/ask", base_url=HOME, data=json.dumps(["reset"])).status_code == 415
    assert client.post("/token/ask", base_url=HOME, data={"a": "b"}).status_code == 415


@pytest.mark.parametrize(
    "question",
    [
        ["nothing"],
        [],
        {},
        ["pass"],
        ["pass", 99],
        ["unit", 0, 0, "a"],
        ["pass", {"pixels": [[0] * 8] * 8, "label": 1e999}],
        [["pass"]],
        ["network", 5, 0, {}],
        ["network", 0, 1001, {}],
        ["rnn", 11, {}],
        1,
    ],
)
def test_a_question_that_cannot_be_answered_gets_an_error(client, question):
    response = client.post("/token/ask", base_url=HOME, json=question)
    assert response.status_code == 400
    assert response.get_json()["error"]


def test_a_very_long_question_is_refused(client):
    assert client.post("/token/ask", base_url=HOME, json=["pass", "0" * (1 << 21)]).status_code == 413
