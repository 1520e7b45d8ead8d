"""Upstreams over TLS: the certificate is checked, the name is sent, DNS fails readably."""
import pytest

from lib import raw
from lib.mock import Authority, Mock, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def mocks(ca, tmp_path_factory):
    other = Authority(tmp_path_factory.mktemp("other"), "another-ca")
    all_ = {
        "good": Mock(tls=ca.context(file="good")),
        "named": Mock(tls=ca.context("localhost", file="named")),
        "expired": Mock(tls=ca.context(expired=True, file="expired")),
        "wrong-host": Mock(tls=ca.context("example.org", file="wrong")),
        "unknown-ca": Mock(tls=other.context()),
        "plain": Mock(),
    }
    yield all_
    for mock in all_.values():
        mock.close()


@pytest.fixture(scope="module")
def tls_signet(ca, mocks):
    models = "".join(openai_model(name, m.url) for name, m in mocks.items())
    models += openai_model("by-name", mocks["named"].url.replace("127.0.0.1", "localhost"))
    models += openai_model("to-plain", mocks["plain"].url.replace("http:", "https:"))
    models += openai_model("no-such-host", "https://no-such-host.invalid") + openai_model("no-such-host-plain", "http://no-such-host.invalid")
    models += openai_model("then-good", "https://no-such-host.invalid", mocks["expired"].url, mocks["good"].url)
    with Signet(config(models, extra=f'[server]\nworkers = 1\n[upstream]\nca_file = "{ca.cert}"\nconnect_timeout_ms = 5000')) as s:
        yield s


@pytest.fixture
def signet(tls_signet, mocks):
    for mock in mocks.values():
        mock.reset()
    yield tls_signet
    tls_signet.assert_idle()


def test_good_certificate(signet, mocks):
    assert raw.post(signet.port, CHAT, chat("good")).status == 200
    assert raw.post(signet.port, CHAT, chat("good")).status == 200
    mocks["good"].then(sse(text_chunks("over TLS"), split=3))
    assert raw.post(signet.port, CHAT, chat("good", stream=True)).events()[-1] == "[DONE]"
    assert len({r.conn.number for r in mocks["good"].requests}) == 1


def test_server_name(signet, mocks):
    names = []
    mocks["named"].tls.sni_callback = lambda sock, name, context: names.append(name)
    assert raw.post(signet.port, CHAT, chat("by-name")).status == 200
    assert names == ["localhost"]


@pytest.mark.parametrize("model,word", [("expired", "expired"), ("wrong-host", "match"), ("unknown-ca", "issuer|self.signed|unable to get"),
                                        ("to-plain", "."), ("no-such-host", "no-such-host.invalid"), ("no-such-host-plain", "no-such-host.invalid")])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_refused(signet, mocks, model, word, stream):
    import re

    got = raw.post(signet.port, CHAT, chat(model, stream=stream))
    assert got.status == 502
    assert re.search(word, got.message, re.I), got.message
    assert not mocks.get(model, mocks["plain"]).requests, "the request went out all the same"


def test_fallback_over_tls_and_dns_failures(signet):
    assert raw.post(signet.port, CHAT, chat("then-good")).status == 200


def test_sessions_are_resumed(signet, mocks):
    """A second connection to the same upstream resumes the first one's session."""
    good = mocks["good"]
    raw.post(signet.port, CHAT, chat("good"))
    before = good.tls.session_stats()["hits"]
    good.drop_idle()
    for _ in range(3):
        assert raw.post(signet.port, CHAT, chat("good")).status == 200
        good.drop_idle()
    assert good.tls.session_stats()["hits"] > before


def test_ssl_cert_file(ca, mocks):
    with Signet(config(openai_model("m", mocks["good"].url)), env={"SSL_CERT_FILE": ca.cert}) as s:
        assert raw.post(s.port, CHAT, chat()).status == 200
    with Signet(config(openai_model("m", mocks["good"].url))) as s:
        assert raw.post(s.port, CHAT, chat()).status == 502, "an unknown authority was trusted"


def test_unreadable_ca_file(tmp_path):
    status, err = Signet(config(openai_model("m", "https://127.0.0.1:1"), extra=f'[upstream]\nca_file = "{tmp_path}/none.pem"'), start=False).fails_to_start()
    assert status == 1 and "none.pem" in err
