"""Where AWS credentials come from (providers-others §4.1): each source against a mock of its endpoint, one process each, since the
environment says which it is."""
import hashlib
import json
import stat
import threading
import time

import pytest

from lib import raw
from lib.aws import CLEAN, KEY_ID, SECRET, bedrock_model, converse, error, signed
from lib.mock import Mock, answer, json_answer
from lib.signet import Signet, config

TOKEN = "session/TOKEN=="


def when(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def keys(seconds=3600, id="ASIATEMP", **more):
    return {"AccessKeyId": id, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": when(seconds), **more}


def sts(action, id="ASIAROLE", seconds=3600):
    return answer(f"<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId>"
                  f"<SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>{when(seconds)}</Expiration></Credentials>"
                  f"</{action}Result></{action}Response>", content_type="text/xml")


@pytest.fixture
def mock():
    with Mock(default=converse({"text": "x"})) as m:
        yield m


def gateway(mock, env, folder=None, region="us-east-1", **options):
    toml = config(bedrock_model("m", mock.url, credentials=False, region=region))
    return Signet(toml, env={**CLEAN, **{k: str(v) for k, v in env.items()}}, **options)


def ask(signet, **fields):
    return raw.post(signet.port, raw.CHAT, json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}))


def calls(mock):
    return [r for r in mock.requests if r.target.startswith("/model/")]


def asked(mock, prefix):
    return [r for r in mock.requests if r.target.startswith(prefix)]


def works(mock, env, key_id, token=TOKEN, secret=SECRET, **options):
    with gateway(mock, env, **options) as signet:
        got = ask(signet)
        assert got.status == 200, got.body
        facts = signed(calls(mock)[-1], secret)
        assert (facts["key_id"], facts["token"]) == (key_id, token)
        return facts


def test_the_environment(mock):
    works(mock, {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t"}, "AKENV", "t")


def test_half_of_the_environment_is_an_error_of_its_own(mock):
    with gateway(mock, {"AWS_ACCESS_KEY_ID": "AKENV"}) as signet:
        got = ask(signet)
        assert got.status == 400 and "only one is set" in got.message and mock.requests == []


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".aws" / "sso" / "cache").mkdir(parents=True)

    def write(config="", credentials=""):
        (tmp_path / ".aws" / "config").write_text(config)
        (tmp_path / ".aws" / "credentials").write_text(credentials)
        return tmp_path

    return write


def test_a_profile_of_the_credentials_file_wins(mock, home):
    path = home("[default]\naws_access_key_id = AKCONFIG\naws_secret_access_key = x\nregion=eu-west-1\n",
                f"# a comment\r\n[default]\r\naws_access_key_id = AKFILE\r\naws_secret_access_key={SECRET}\r\n")
    assert works(mock, {"HOME": path}, "AKFILE", None, region="sdk")["region"] == "eu-west-1"


def test_a_named_profile(mock, home):
    path = home(f"[profile work]\naws_access_key_id = AKWORK\naws_secret_access_key = {SECRET}\naws_session_token = t\n", "")
    works(mock, {"HOME": path, "AWS_PROFILE": "work"}, "AKWORK", "t")


def test_files_elsewhere(mock, tmp_path):
    (tmp_path / "c").write_text(f"[x]\naws_access_key_id = AKELSE\naws_secret_access_key = {SECRET}\n")
    works(mock, {"AWS_SHARED_CREDENTIALS_FILE": tmp_path / "c", "AWS_PROFILE": "x"}, "AKELSE", None)


def test_a_profile_that_is_not_there(mock, home):
    with gateway(mock, {"HOME": home(), "AWS_PROFILE": "nope"}) as signet:
        assert "AWS_PROFILE names `nope`" in ask(signet).message


def test_a_command(mock, home, tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho '" + json.dumps({"Version": 1, "AccessKeyId": "AKPROC", "SecretAccessKey": SECRET, "SessionToken": "t"}) + "'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    works(mock, {"HOME": home(f"[default]\ncredential_process = {tool} --x\n")}, "AKPROC", "t")


def test_a_command_that_fails(mock, home):
    with gateway(mock, {"HOME": home("[default]\ncredential_process = exit 3\n")}) as signet:
        got = ask(signet)
        assert got.status == 400 and "credential_process did not end well (status 3)" in got.message


def test_a_role_of_another_profile(mock, home):
    mock.route("/sts", sts("AssumeRole"))
    path = home(f"[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = {SECRET}\n"
                "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nexternal_id = e/1\nrole_session_name = me\nduration_seconds = 900\n")
    works(mock, {"HOME": path, "AWS_PROFILE": "role", "AWS_ENDPOINT_URL_STS": mock.url + "/sts"}, "ASIAROLE")
    request, = asked(mock, "/sts")
    assert request.body == (b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&ExternalId=e%2F1"
                            b"&DurationSeconds=900")
    facts = signed(request)
    assert (facts["key_id"], facts["service"], facts["region"]) == ("AKBASE", "sts", "us-east-1")


def test_a_chain_of_roles(mock, home):
    ids = iter(["ASIAONE", "ASIATWO"])
    mock.route("/sts", lambda conn, request: sts("AssumeRole", next(ids))(conn, request))
    path = home(f"[profile a]\nrole_arn = arn:a\nsource_profile = b\n[profile b]\nrole_arn = arn:b\nsource_profile = c\n"
                f"[profile c]\naws_access_key_id = AKBASE\naws_secret_access_key = {SECRET}\n")
    works(mock, {"HOME": path, "AWS_PROFILE": "a", "AWS_ENDPOINT_URL": mock.url + "/sts"}, "ASIATWO")
    first, second = asked(mock, "/sts")
    assert (signed(first)["key_id"], signed(second)["key_id"]) == ("AKBASE", "ASIAONE") and signed(second)["token"] == TOKEN


def test_a_role_with_nothing_to_assume_it(mock, home):
    path = home("[profile a]\nrole_arn = arn:a\ncredential_source = Environment\n")
    with gateway(mock, {"HOME": path, "AWS_PROFILE": "a"}) as signet:
        assert "there is nothing to assume its role with" in ask(signet).message


def test_profiles_in_a_ring(mock, home):
    path = home("[profile a]\nrole_arn = x\nsource_profile = b\n[profile b]\nrole_arn = x\nsource_profile = a\n")
    with gateway(mock, {"HOME": path, "AWS_PROFILE": "a"}) as signet:
        assert "in a ring" in ask(signet).message


def test_single_sign_on_by_a_login_that_is_there(mock, home):
    path = home("[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r/x\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x\n")
    (path / ".aws" / "sso" / "cache" / (hashlib.sha1(b"s").hexdigest() + ".json")).write_text(json.dumps({"accessToken": "SSOTOKEN", "expiresAt": when(600)}))
    mock.route("/federation", json_answer({"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": SECRET, "sessionToken": TOKEN,
                                                               "expiration": int(time.time() * 1000) + 3600_000}}))
    works(mock, {"HOME": path, "AWS_ENDPOINT_URL_SSO": mock.url}, "ASIASSO")
    request, = asked(mock, "/federation")
    assert request.target == "/federation/credentials?role_name=r%2Fx&account_id=1" and request.headers["x-amz-sso_bearer_token"] == "SSOTOKEN"


def test_single_sign_on_that_is_over(mock, home):
    path = home("[default]\nsso_start_url = https://x\nsso_account_id = 1\nsso_role_name = r\nsso_region = us-east-1\n")
    (path / ".aws" / "sso" / "cache" / (hashlib.sha1(b"https://x").hexdigest() + ".json")).write_text(json.dumps({"accessToken": "SSOTOKEN", "expiresAt": when(-1)}))
    with gateway(mock, {"HOME": path}) as signet:
        assert "run `aws sso login`" in ask(signet).message


def test_web_identity(mock, tmp_path):
    mock.route("/sts", sts("AssumeRoleWithWebIdentity"))
    (tmp_path / "token").write_text("ey.J.x\n")
    works(mock, {"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "token", "AWS_ROLE_ARN": "arn:r", "AWS_ENDPOINT_URL_STS": mock.url + "/sts"}, "ASIAROLE")
    request, = asked(mock, "/sts")
    assert b"Action=AssumeRoleWithWebIdentity" in request.body and b"WebIdentityToken=ey.J.x" in request.body and "authorization" not in request.headers


def test_a_container(mock, tmp_path):
    mock.route("/creds", json_answer(keys()))
    (tmp_path / "token").write_text("Basic abc\n")
    works(mock, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": mock.url + "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tmp_path / "token"}, "ASIATEMP")
    assert asked(mock, "/creds")[0].headers["authorization"] == "Basic abc"


def test_a_containers_address_that_is_elsewhere(mock):
    with gateway(mock, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/creds"}) as signet:
        assert "neither https nor this machine" in ask(signet).message


ROLES = "/latest/meta-data/iam/security-credentials/"


def instance(mock, credentials=None, role="my-role"):
    mock.route("/latest/api/token", answer("IMDSTOKEN", content_type="text/plain"))
    mock.route(ROLES + role, credentials or json_answer(keys(Code="Success")))
    mock.route(ROLES, answer(role, content_type="text/plain"))
    mock.route("/latest/meta-data/placement/region", answer("eu-central-1", content_type="text/plain"))
    return {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": mock.url}


def test_an_instance(mock):
    facts = works(mock, instance(mock), "ASIATEMP", region="sdk")
    assert facts["region"] == "eu-central-1"
    token = asked(mock, "/latest/api/token")[0]
    assert token.method == "PUT" and token.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert all(r.headers["x-aws-ec2-metadata-token"] == "IMDSTOKEN" for r in asked(mock, "/latest/meta-data"))


def test_no_credentials_at_all(mock):
    """providers-others §13 C2: about a second, and an error that lists what was tried."""
    mock.route("/latest", lambda conn, request: conn.wait_gone(20))
    began = time.monotonic()
    with gateway(mock, {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": mock.url}) as signet:
        got = ask(signet)
        assert got.status == 400 and time.monotonic() - began < 6
        for words in ("no credentials were found", "environment: AWS_ACCESS_KEY_ID", "profile `default`", "web identity: ", "container: ", "instance: "):
            assert words in got.message, got.message
        assert ask(signet).message == got.message and len(asked(mock, "/latest/api/token")) == 1, "asked anew at once"


def test_no_region(mock):
    with gateway(mock, {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}, region="sdk") as signet:
        assert "Failed to determine AWS region." in ask(signet).message
    works(mock, {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "ap-south-1"}, KEY_ID, None, region="sdk")


def test_many_requests_are_one_search(mock):
    """providers-others §13 C1."""
    env = instance(mock, lambda conn, request: (conn.sleep(0.2), json_answer(keys())(conn, request)))
    with gateway(mock, env) as signet:
        got = []
        threads = [threading.Thread(target=lambda: got.append(ask(signet).status)) for _ in range(12)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert got == [200] * 12 and len(asked(mock, ROLES + "my-role")) == 1


def test_credentials_are_made_anew_before_they_end(mock):
    """providers-others §13 C1: the old ones serve meanwhile; C5 of AWS: by their own end."""
    answers = iter([keys(200, "ASIAFIRST"), keys(3600, "ASIASECOND")])
    with gateway(mock, instance(mock, lambda conn, request: json_answer(next(answers))(conn, request))) as signet:
        assert ask(signet).status == 200
        assert signed(calls(mock)[-1])["key_id"] == "ASIAFIRST"
        assert ask(signet).status == 200  # less than five minutes are left: a search starts behind it
        raw.wait_for(lambda: ask(signet).status == 200 and signed(calls(mock)[-1])["key_id"] == "ASIASECOND")


def test_credentials_that_ended_are_not_used(mock):
    answers = iter([keys(1, "ASIAFIRST"), keys(3600, "ASIASECOND")])
    with gateway(mock, instance(mock, lambda conn, request: json_answer(next(answers))(conn, request))) as signet:
        assert ask(signet).status == 200
        time.sleep(1.2)
        assert ask(signet).status == 200 and signed(calls(mock)[-1])["key_id"] == "ASIASECOND"


@pytest.mark.parametrize("name", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_a_token_that_is_refused_is_made_anew_once(mock, name):
    """providers-others §13 B16, C6 of AWS."""
    ids = iter(["ASIAFIRST", "ASIASECOND", "ASIATHIRD"])
    with gateway(mock, instance(mock, lambda conn, request: json_answer(keys(3600, next(ids)))(conn, request))) as signet:
        mock.then(error(403, name, "expired"))
        assert ask(signet).status == 200
        assert [signed(r)["key_id"] for r in calls(mock)] == ["ASIAFIRST", "ASIASECOND"]
        mock.then(error(403, name, "expired"), error(403, name, "expired"))
        got = ask(signet)
        assert got.status == 502 and got.json["error"]["code"] == "upstream_auth" and len(calls(mock)) == 4


def test_the_metadata_service_is_asked_directly(mock):
    """What lives on this machine's link is asked through no proxy: it would answer for another machine."""
    env = {**instance(mock), "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://metadata.invalid", "http_proxy": mock.url}
    with gateway(mock, env) as signet:
        assert "instance: " in ask(signet).message and mock.requests == []
