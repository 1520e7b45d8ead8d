"""Vertex AI's Gemini and Google's credentials: every source of an access token against a mock of its endpoint (providers-others §8,
§9.1). The tokens that a service account signs itself are checked with openssl."""
import base64
import json
import os
import subprocess
import tempfile
import threading

import pytest

from lib import raw
from lib.mock import Mock, hang, json_answer
from lib.signet import Signet, config
from test_gemini import ask, google_error, reply, said, stream, deltas

FOLDER = tempfile.mkdtemp(prefix="signet-gcp-")


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


KEY = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").decode()


def written(name, value):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as f:
        f.write(value if isinstance(value, str) else json.dumps(value))
    os.chmod(path, 0o600)
    return path


def account(**more):
    return {"type": "service_account", "private_key_id": "key1", "private_key": KEY, "client_email": "sa@proj.iam.gserviceaccount.com", **more}


def vertex(name, url, location="us-central1", credential=None, keys='model_id = "gemini-2.5-flash"', type="gcp_vertex_gemini"):
    line = f"credential_location = {json.dumps(credential)}\n" if credential else ""
    line = line if not (credential or "").startswith("{") else f"credential_location = {credential}\n"
    return (f'[models.{name}]\nrouting = ["g"]\n[models.{name}.providers.g]\ntype = "{type}"\nlocation = "{location}"\nproject_id = "proj"\n'
            f'api_base = "{url}/v1"\n{keys}\n{line}\n')


def signet_toml(mock):
    u = mock.url
    user = written("user.json", {"type": "authorized_user", "client_id": "id+1", "client_secret": "s/2", "refresh_token": "r 3", "token_uri": u + "/token/user"})
    impersonated = written("impersonated.json", {"type": "impersonated_service_account", "service_account_impersonation_url": u + "/iam:generateAccessToken",
                                                 "delegates": ["d1"], "source_credentials": json.load(open(user))})
    subject = written("subject", "subject-1\n")
    external = {"type": "external_account", "audience": "//iam/pool", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": u + "/sts"}
    by_file = written("external.json", {**external, "credential_source": {"file": subject}})
    by_url = written("external-url.json", {**external, "credential_source": {"url": u + "/subject", "headers": {"x-a": "b"}, "format": {
        "type": "json", "subject_token_field_name": "tok"}}, "service_account_impersonation_url": u + "/iam:generateAccessToken"})
    return config("".join([
        vertex("file", u), vertex("global", u, "global"), vertex("eu", u, "eu"),
        vertex("endpoint", u, keys='endpoint_id = "4711"'),
        vertex("crlf", u, credential="path::" + written("crlf.json", account(private_key=KEY.replace("\n", "\r\n"), private_key_id="crlf"))),
        vertex("escaped", u, credential="path::" + written("escaped.json", account(private_key=KEY.replace("\n", "\\n"), private_key_id="esc"))),
        vertex("exchange", u, credential="path::" + written("exchange.json", account(token_uri=u + "/token/exchange", private_key_id="ex")), keys='model_id = "gemini-2.5-flash"\ntoken_exchange = true'),
        vertex("user", u, credential="path::" + user), vertex("impersonated", u, credential="path::" + impersonated),
        vertex("external", u, credential="path::" + by_file), vertex("external_url", u, credential="path::" + by_url),
        vertex("sdk", u, credential="sdk"), vertex("dynamic", u, credential="dynamic::gcp"),
        vertex("either", u, credential='{ default = "dynamic::gcp", fallback = "sdk" }'),
        f'[provider_types.gcp_vertex_gemini.defaults]\napi_base = "{u}/short"\n',
    ]))


METADATA = Mock()  # of the whole module: its address is in the environment
SIGNET = {"env": {"GCP_VERTEX_CREDENTIALS_PATH": written("sa.json", account()), "GCE_METADATA_HOST": METADATA.url.split("//")[1],
                  "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "", "HOME": FOLDER}}


@pytest.fixture(scope="module")
def module_signet(module_mock):
    # the metadata server is reached without the proxy, the mock upstream by NO_PROXY
    env = {**SIGNET["env"], "NO_PROXY": module_mock.url.split("//")[1]}
    with Signet(signet_toml(module_mock), env=env) as signet:
        yield signet
    METADATA.close()


@pytest.fixture(autouse=True)
def upstream(mock):
    METADATA.reset()
    mock.route("/v1/", json_answer(reply({"text": "Hello"})))


def bearer(request):
    scheme, token = request.headers["authorization"].split(" ", 1)
    assert scheme == "Bearer"
    return token


def opened(token):
    """Header and claims of a signed token whose signature openssl has verified."""
    head, claims, signature = token.split(".")
    decode = lambda s: base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))
    public = written("public.pem", openssl("pkey", "-pubout", data=KEY.encode()).decode())
    path = os.path.join(FOLDER, "signature")
    with open(path, "wb") as f:
        f.write(decode(signature))
    openssl("dgst", "-sha256", "-verify", public, "-signature", path, data=f"{head}.{claims}".encode())
    return json.loads(decode(head)), json.loads(decode(claims))


def calls(mock):
    return [r for r in mock.requests if r.target.startswith("/v1/")]


@pytest.mark.parametrize("name,audience", [
    ("file", "https://us-central1-aiplatform.googleapis.com/"), ("global", "https://aiplatform.googleapis.com/"), ("eu", "https://aiplatform.eu.rep.googleapis.com/")])
def test_a_service_account_signs_its_own_token(signet, mock, name, audience):
    """providers-others §13 C4"""
    said(ask(signet, model=name))
    said(ask(signet, model=name))
    tokens = [bearer(r) for r in calls(mock)]
    assert tokens[0] == tokens[1]  # cached
    head, claims = opened(tokens[0])
    assert head == {"typ": "JWT", "alg": "RS256", "kid": "key1"}
    assert list(claims) == ["iss", "sub", "aud", "iat", "exp"] and claims["iss"] == claims["sub"] == "sa@proj.iam.gserviceaccount.com"
    assert claims["aud"] == audience and claims["exp"] == claims["iat"] + 3600


def test_what_is_called(signet, mock):
    said(ask(signet, model="file"))
    said(ask(signet, model="endpoint", max_tokens=5, top_p=0.5))
    got = calls(mock)
    assert got[0].target == "/v1/projects/proj/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent"
    assert got[0].body == b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}'
    assert got[1].target == "/v1/projects/proj/locations/us-central1/endpoints/4711:generateContent"
    assert b'"generationConfig":{"maxOutputTokens":5,"topP":0.5}' in got[1].body
    mock.route("/v1/", stream(reply({"text": "x"})))
    assert deltas(ask(signet, model="file", stream=True))
    assert mock.last().target.endswith(":streamGenerateContent?alt=sse")


def test_a_shorthand(mock):
    mock.route("/short/", json_answer(reply({"text": "x"})))
    with Signet(signet_toml(mock), **SIGNET | {"env": {**SIGNET["env"], "NO_PROXY": mock.url.split("//")[1]}}) as own:
        for rest in ("publishers/google/models/gemini-2.5-pro", "endpoints/4711"):
            said(ask(own, model="gcp_vertex_gemini::projects/p/locations/europe-west1/" + rest))
            assert mock.last().target == f"/short/projects/p/locations/europe-west1/{rest}:generateContent"
            assert opened(bearer(mock.last()))[1]["aud"] == "https://europe-west1-aiplatform.googleapis.com/"
        for wrong in ("projects/p/locations/evil.example/endpoints/1", "projects/p/locations/l/publishers/other/models/x", "x"):
            got = ask(own, model="gcp_vertex_gemini::" + wrong)
            assert got.status >= 400 and "GCP shorthand url is not in the expected format" in got.message


def test_line_ends_of_the_key(signet, mock):
    """providers-others §13 C3"""
    for name, kid in (("crlf", "crlf"), ("escaped", "esc")):
        said(ask(signet, model=name))
        assert opened(bearer(calls(mock)[-1]))[0]["kid"] == kid
    for text, words in [(account(private_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "private_key failed to parse as RSA"),
                        ({"type": "service_account"}, "missing private_key_id"), ("{", "are no JSON object"), ({"type": "x"}, "credentials of type `x` are not supported")]:
        path = written("bad.json", text)
        status, errors = Signet(config(vertex("m", "http://x", credential="path::" + path)), start=False).fails_to_start()
        assert status == 1 and f"GCP Vertex Gemini: " in errors and words in errors and path in errors
        assert "BEGIN PRIVATE" not in errors


def test_an_exchange_at_the_token_server(signet, mock):
    mock.route("/token/exchange", json_answer({"access_token": "ya29.x", "expires_in": 3599}))
    said(ask(signet, model="exchange"))
    form = dict(p.split("=") for p in mock.requests[0].body.decode().split("&"))
    assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    claims = opened(form["assertion"])[1]
    assert list(claims) == ["iss", "scope", "aud", "iat", "exp"] and claims["aud"].endswith("/token/exchange")
    assert bearer(calls(mock)[0]) == "ya29.x"


def test_a_user(signet, mock):
    mock.route("/token/user", json_answer({"access_token": "ya29.user", "expires_in": 3599}))
    said(ask(signet, model="user"))
    assert mock.requests[0].body == b"grant_type=refresh_token&client_id=id%2B1&client_secret=s%2F2&refresh_token=r%203"
    assert bearer(calls(mock)[0]) == "ya29.user"


def test_an_impersonated_account(signet, mock):
    mock.route("/token/user", json_answer({"access_token": "ya29.source", "expires_in": 3599}))
    mock.route("/iam", json_answer({"accessToken": "ya29.other", "expireTime": "2999-01-01T00:00:00Z"}))
    said(ask(signet, model="impersonated"))
    second = mock.requests[1]
    assert bearer(second) == "ya29.source" and second.json == {"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s", "delegates": ["d1"]}
    assert bearer(calls(mock)[0]) == "ya29.other"


def test_an_identity_of_elsewhere(signet, mock):
    mock.route("/sts", json_answer({"access_token": "ya29.sts", "expires_in": 3599}))
    mock.route("/subject", json_answer({"tok": "subject-2"}))
    mock.route("/iam", json_answer({"accessToken": "ya29.other", "expireTime": "2999-01-01T00:00:00Z"}))
    said(ask(signet, model="external"))
    assert b"&subject_token=subject-1" in mock.requests[0].body and b"audience=%2F%2Fiam%2Fpool&" in mock.requests[0].body
    assert bearer(calls(mock)[0]) == "ya29.sts"
    said(ask(signet, model="external_url"))
    asked = [r for r in mock.requests if r.target == "/subject"][0]
    assert asked.headers["x-a"] == "b" and bearer(calls(mock)[1]) == "ya29.other"
    assert any(b"subject_token=subject-2" in r.body for r in mock.requests)


def metadata(token, expires_in):
    return json_answer({"access_token": token, "expires_in": expires_in, "token_type": "Bearer"})


def test_the_metadata_server(signet, mock):
    """providers-others §13 C5, C6, also for many who wait: one look each time"""
    METADATA.then(metadata("t1", 1), metadata("t2", 1200), metadata("t3", 1200), metadata("t4", 1200))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(signet, model="sdk").status)) for _ in range(12)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert answers == [200] * 12
    look = METADATA.requests[0]
    assert look.method == "GET" and look.target == "/computeMetadata/v1/instance/service-accounts/default/token" and look.headers["metadata-flavor"] == "Google"
    # t1 ends after a second, whatever other tokens do
    raw.wait_for(lambda: said(ask(signet, model="sdk")) and bearer(calls(mock)[-1]) == "t2", 5, 0.05)
    assert {bearer(r) for r in calls(mock)} == {"t1", "t2"} and len(METADATA.requests) == 2
    # revoked: dropped, one more try with a new one
    refused = json_answer(google_error(401, "UNAUTHENTICATED", "Revoked."), 401)
    mock.route("/v1/", lambda conn, request: (refused if bearer(request) == "t2" else json_answer(reply({"text": "x"})))(conn, request))
    said(ask(signet, model="sdk"))
    assert [bearer(r) for r in calls(mock)[-2:]] == ["t2", "t3"] and len(METADATA.requests) == 3
    mock.route("/v1/", refused)
    before = len(calls(mock))
    got = ask(signet, model="sdk")
    assert got.status == 502 and "Revoked." in got.message and len(calls(mock)) == before + 2


def test_a_request_brings_its_own_token(signet, mock):
    METADATA.default = metadata("machine", 1200)
    said(ask(signet, model="dynamic", **{"tensorzero::credentials": {"gcp": "own"}}))
    assert bearer(calls(mock)[-1]) == "own"
    got = ask(signet, model="dynamic")
    assert got.status == 400 and "API key missing for provider GCP Vertex Gemini: Dynamic api key `gcp` is missing" in got.message
    said(ask(signet, model="either", **{"tensorzero::credentials": {"gcp": "own"}}))
    assert bearer(calls(mock)[-1]) == "own"
    said(ask(signet, model="either"))
    assert bearer(calls(mock)[-1]) in ("machine", "t3", "t4")


def test_no_source_at_all_is_told_soon(mock):
    with Mock() as own:
        own.default = hang()
        toml = config(vertex("sdk", mock.url, credential="sdk") + vertex("file", mock.url, credential="path::" + written("sa.json", account())))
        with Signet(toml, env={"GCE_METADATA_HOST": own.url.split("//")[1], "HOME": "/nonexistent"}) as signet:
            slow = []
            thread = threading.Thread(target=lambda: slow.append(ask(signet, model="sdk")))
            thread.start()
            own.wait_requests(1)
            assert said(ask(signet, model="file"))["content"] == "Hello"  # nobody else waits
            thread.join()
            assert slow[0].status == 400
            for words in ("GOOGLE_APPLICATION_CREDENTIALS", "application_default_credentials.json", "metadata server"):
                assert words in slow[0].message
            own.default = json_answer({"error": "x"}, 404)
            assert "answered 404" in ask(signet, model="sdk").message


def test_a_client_that_leaves_while_a_token_is_fetched(mock):
    with Mock() as own:
        with Signet(config(vertex("sdk", mock.url, credential="sdk")), env={"GCE_METADATA_HOST": own.url.split("//")[1], "HOME": FOLDER}) as signet:
            gate = threading.Event()

            def later(conn, request):
                gate.wait(10)
                metadata("t", 1200)(conn, request)

            own.default = later
            with raw.Client(signet.port) as c:
                c.send(raw.post_bytes(raw.CHAT, raw.chat("sdk")))
                own.wait_requests(1)
                c.reset()
            answers = []
            thread = threading.Thread(target=lambda: answers.append(ask(signet, model="sdk")))
            thread.start()
            gate.set()
            thread.join()
            assert said(answers[0])["content"] == "Hello" and len(own.requests) == 1
            signet.assert_idle()


def test_the_environments_document_comes_first(mock):
    user = written("adc.json", {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r", "token_uri": mock.url + "/adc", "quota_project_id": "paying"})
    mock.route("/adc", json_answer({"access_token": "adc", "expires_in": 100}))
    os.makedirs(os.path.join(FOLDER, ".config/gcloud"), exist_ok=True)
    written(".config/gcloud/application_default_credentials.json", open(user).read())
    for env in ({"GOOGLE_APPLICATION_CREDENTIALS": user, "HOME": "/nonexistent"}, {"HOME": FOLDER}):
        mock.requests.clear()
        with Signet(config(vertex("sdk", mock.url, credential="sdk")), env=env) as signet:
            said(ask(signet, model="sdk"))
            assert bearer(calls(mock)[0]) == "adc" and calls(mock)[0].headers["x-goog-user-project"] == "paying"
    os.remove(os.path.join(FOLDER, ".config/gcloud/application_default_credentials.json"))


def test_no_token_is_in_an_error(signet, mock):
    mock.route("/v1/", lambda conn, request: json_answer(google_error(400, "X", "bad token " + bearer(request)), 400)(conn, request))
    got = ask(signet, model="file")
    assert got.status == 400 and bearer(calls(mock)[0]) not in got.text


def test_configurations_that_are_wrong():
    for keys, words in [("", "Exactly one of model_id or endpoint_id must be provided"), ('model_id = "a"\nendpoint_id = "b"', "Exactly one of model_id or endpoint_id")]:
        status, errors = Signet(config(vertex("m", "http://x", credential="sdk", keys=keys)), start=False).fails_to_start()
        assert status == 1 and words in errors
    for credential, words in [("env::X", "Invalid api_key_location for GCP Vertex Gemini provider"), ("path::/nonexistent/x", "API key missing for provider GCP Vertex Gemini")]:
        status, errors = Signet(config(vertex("m", "http://x", location="a.b", credential=credential)), start=False).fails_to_start()
        assert status == 1 and words in errors and "is no location" in errors
