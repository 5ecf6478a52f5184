"""The login: what it closes, how it opens, and how often one may try."""

import asyncio
import base64

import pytest
from studio_client import another, opened, running, session_of

from layerstudio.ui.web.accounts import Accounts, Tokens
from layerstudio.ui.web.attempts import Attempts
from layerstudio.ui.web.errors_json import TooManyAttempts, Unauthorised
from layerstudio.ui.web.login import LoginGate
from layerstudio.ui.web.options import WebOptions

USERS = (("ann", "correct horse"), ("bö:b", "pass:word ü"))
JSON = {"content-type": "application/json"}
HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def client():
    with running(auth=(USERS[0], ("bob", "another secret"))) as client:
        yield client


def log_in(client, user="ann", password="correct horse", **headers):
    form = {"username": user, "password": password}
    return client.post("/login", data=form, headers=headers, follow_redirects=False)


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


CLOSED = (
    "/", "/config", "/studio/state", "/studio/samples", "/studio/static/main.js", "/studio/nothing",
    "/gradio_api/info", "/theme.css", "/studio/jobs", "/studio/events", "/login/", "/login.css/",
    "/gradio_api/startup-events", "/login/../studio/state", "//studio/state", "/Login",
)  # fmt: skip


def test_everything_is_closed_without_a_login(client):
    for path in CLOSED:
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.json()["error"]["kind"] == "Unauthorised"
        assert "set-cookie" not in answer.headers
    assert client.post("/gradio_api/queue/join", json={}).status_code == 401


def test_a_page_is_led_to_the_login_and_a_script_is_not_asked_by_the_browser(client):
    answer = client.get("/", headers=HTML, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "www-authenticate" in client.get("/studio/state").headers
    script = client.get("/studio/state", headers={"sec-fetch-mode": "cors"})
    assert script.status_code == 401 and "www-authenticate" not in script.headers


def test_the_form_opens_it_and_logging_out_closes_it(client):
    page = client.get("/login", headers={**HTML, "accept-language": "ja-JP,en;q=0.5"})
    assert 'lang="ja"' in page.text and "script-src" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/login.css").headers["content-type"].startswith("text/css")
    answer = log_in(client, **HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert client.get("/studio/state").json()["user"] == "ann"
    token = client.cookies["layerstudio_login"]
    assert client.post("/logout", follow_redirects=False).headers["location"] == "/login"
    assert "layerstudio_login" not in client.cookies
    thief = another(client, cookies={"layerstudio_login": token})
    assert thief.get("/studio/state").status_code == 401


def test_a_wrong_login_is_told_on_the_page_and_tells_nothing_else(client):
    known = log_in(client, "ann", "wrong", **HTML)
    unknown = log_in(client, "<b>nobody", "wrong", **HTML)
    assert known.status_code == unknown.status_code == 401
    assert known.text == unknown.text and 'role="alert"' in known.text
    assert "set-cookie" not in known.headers


def test_half_a_login_is_none(client):
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"", b"username=ann", b"password=correct+horse", b"\xff\xfe=%"):
        assert client.post("/login", content=body, headers=kind).status_code == 401


def test_a_login_as_json_and_a_too_long_one(client):
    good = {"username": "ann", "password": "correct horse"}
    assert another(client).post("/login", json=good).json() == {"success": True, "user": "ann"}
    assert another(client).post("/login", json=[1]).status_code == 400
    assert another(client).post("/login", json={"username": 5}).status_code == 400
    deep = another(client).post("/login", content="[" * 16_000, headers=JSON)
    assert deep.status_code == 400 and "Traceback" not in deep.text
    assert log_in(another(client), "ann", "x" * 20_000).status_code == 413


def test_programs_may_use_http_basic(client):
    program = another(client)
    assert program.get("/studio/state", headers=basic("ann", "correct horse")).status_code == 200
    assert program.get("/config", headers=basic("ann", "correct horse")).status_code == 200
    for header in ("Basic", "Basic ???", "Bearer abc", "Basic YWJj"):
        assert program.get("/config", headers={"authorization": header}).status_code == 401
    assert program.get("/config", headers=basic("ann", "wrong")).status_code == 401


def test_names_and_passwords_of_all_characters_and_no_confusion_of_both():
    accounts = Accounts(USERS)
    assert accounts.check("bö:b", "pass:word ü", "a") == "bö:b"
    for pair in ("bö|b:pass:word ü", "ann|", "|correct horse", "ann|CORRECT horse"):
        with pytest.raises(Unauthorised):
            accounts.check(*pair.split("|"), "b")


def test_after_five_wrong_logins_from_an_address_even_the_right_one_waits(client):
    for _ in range(5):
        assert log_in(client, "ann", "wrong").status_code == 401
    answer = log_in(client)
    assert answer.status_code == 429
    assert answer.json()["error"]["kind"] == "TooManyAttempts"
    assert int(answer.headers["retry-after"]) >= 1
    basic_answer = another(client).get("/config", headers=basic("ann", "correct horse"))
    assert basic_answer.status_code == 429


def test_wrong_logins_of_one_user_from_many_addresses_are_counted_together():
    accounts = Accounts(USERS)
    for number in range(10):
        with pytest.raises(Unauthorised):
            accounts.check("ann", "wrong", f"10.0.0.{number}")
    with pytest.raises(TooManyAttempts):
        accounts.check("ann", "correct horse", "10.1.0.1")
    assert accounts.check("bö:b", "pass:word ü", "10.1.0.1") == "bö:b"


def test_each_wrong_attempt_doubles_the_wait_up_to_a_bound_and_time_forgives():
    now = 1000.0
    attempts = Attempts(free=3, clock=lambda: now)
    waits = []
    for _ in range(20):
        attempts.failed("a")
        waits.append(attempts.wait_s("a"))
        now += waits[-1]
    assert waits[:6] == [0, 0, 1, 2, 4, 8]
    assert max(waits) == waits[-1] == 900
    assert attempts.wait_s("b") == 0
    now += 3601
    attempts.failed("a")
    assert attempts.wait_s("a") == 0
    attempts.succeeded("a")
    assert attempts.wait_s("a") == 0


def test_a_flood_of_names_takes_bounded_memory():
    attempts = Attempts(free=1)
    for number in range(12_000):
        attempts.failed(str(number))
    assert attempts.wait_s("11999") > 0
    assert attempts.wait_s("0") == 0  # the oldest was forgotten


def test_tokens_are_random_and_not_kept_as_they_are():
    tokens = Tokens()
    issued = {tokens.issue("ann") for _ in range(50)}
    assert len(issued) == 50
    assert all(tokens.user(token) == "ann" for token in issued)
    assert not any(token in repr(vars(tokens)) for token in issued)
    assert tokens.user("x") is None and tokens.user(None) is None and tokens.user("") is None


def test_options_do_not_show_passwords():
    assert "correct horse" not in repr(WebOptions(auth=USERS))


def test_a_session_belongs_to_its_user(client):
    """Also in the same browser: the cookie of the session stays when the user changes."""
    log_in(client)
    document = opened(client).studio.document
    client.post("/logout")
    log_in(client, "bob", "another secret")
    state = client.get("/studio/state").json()
    assert (state["user"], state["document"]) == ("bob", None)
    assert session_of(client).studio.document is not document


def test_a_websocket_without_a_login_is_closed_before_it_opens():
    async def inner(scope, receive, send):
        raise AssertionError("the application was reached")

    sent = []

    async def send(message):
        sent.append(message)

    gate = LoginGate(inner, WebOptions(auth=USERS))
    scope = {"type": "websocket", "path": "/x", "headers": [], "client": ("1.2.3.4", 5)}
    asyncio.run(gate(scope, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_without_users_there_is_no_login():
    with running() as client:
        state = client.get("/studio/state").json()
        assert state["user"] is None
