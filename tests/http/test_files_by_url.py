"""gateway.fetch_and_encode_input_files_before_inference (http-api §6.2, config §2.1): files that requests name by URL."""
import base64

import pytest

from lib import raw
from lib.mock import Mock, answer, chat_answer, cut, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT
from lib.signet import Signet, config, openai_model

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()
BOTH = pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")], ids=["openai", "tensorzero"])


@pytest.fixture(scope="module")
def files():
    with Mock() as mock:
        yield mock


def toml(mock, fetch=True):
    return config(openai_model("m", mock.url), gateway=f"fetch_and_encode_input_files_before_inference = {str(fetch).lower()}",
                  extra='[object_storage]\ntype = "disabled"')


def ask(signet, path, model, url, **image):
    return raw.post(signet.port, path, {"model": model, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": url, **image}}]}]})


def sent_image(mock):
    return mock.last().json["messages"][0]["content"][1]["image_url"]["url"]


@pytest.fixture(scope="module")
def fetching(module_mock):
    with Signet(toml(module_mock), env={"SIGNET_FAULT": "files.loopback:1+"}) as signet:
        if not signet.debug():
            pytest.skip("a release build fetches from public addresses only")
        yield signet


@BOTH
def test_an_image_is_fetched_and_sent_as_base64(fetching, mock, files, path, model):
    files.reset(answer(PNG, content_type="image/png; charset=binary"))
    mock.reset(json_answer(chat_answer("a picture")))
    got = ask(fetching, path, model, files.url + "/a.png")
    assert got.status == 200, got.body
    assert sent_image(mock) == DATA


def test_the_first_bytes_tell_the_type_where_the_server_does_not(fetching, mock, files):
    files.reset(answer(PNG, content_type="application/octet-stream"))
    mock.reset(json_answer(chat_answer()))
    assert ask(fetching, CHAT, "m", files.url + "/x").status == 200
    assert sent_image(mock) == DATA


@BOTH
def test_a_file_that_is_not_there_is_told_with_its_url(fetching, mock, files, path, model):
    files.reset(answer(b"gone", status=404, content_type="text/plain"))
    got = ask(fetching, path, model, files.url + "/gone.png")
    assert got.status >= 500
    assert f"Error fetching file from {files.url}/gone.png: the server answered with status 404" in got.json["error"]["message"]


CUT_FILE = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n" + PNG


@BOTH
@pytest.mark.parametrize("rst", [False, True], ids=["closed", "reset"])
def test_a_file_whose_server_stops_half_way(fetching, mock, files, path, model, rst):
    """Half a picture must not become a whole one. No second try: the upstream is not asked at all."""
    files.reset(cut(CUT_FILE, rst=rst))
    got = ask(fetching, path, model, files.url + "/half.png")
    assert got.status >= 500
    assert f"Error fetching file from {files.url}/half.png: " in got.json["error"]["message"]
    assert not mock.requests
    files.reset(cut(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n48\r\n" + PNG, rst=rst))
    assert f"Error fetching file from {files.url}/half.png: " in ask(fetching, path, model, files.url + "/half.png").message
    assert not mock.requests


@pytest.mark.parametrize("script,why", [
    (answer(b"", content_type="image/png"), "the file is empty"),
    (answer(b"\0" * 40, content_type="application/octet-stream"), "No mime type provided and unable to infer from data"),
    (answer(b"\0" * 40, content_type="not a type"), "No mime type provided and unable to infer from data"),
    (answer(PNG, status=302, headers=[("location", "http://127.0.0.1:1/")], content_type="image/png"), "the server answered with status 302"),
    (answer(PNG, status=206, content_type="image/png"), "the server answered with status 206"),
], ids=["empty", "no-type", "bad-type", "redirect", "partial"])
def test_a_file_of_no_use(fetching, mock, files, script, why):
    files.reset(script)
    got = ask(fetching, CHAT, "m", files.url + "/x")
    assert got.status >= 500 and why in got.message and f"{files.url}/x" in got.message
    assert not mock.requests


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_may_have_20_mib_and_no_byte_more(fetching, mock, files, framing):
    whole = PNG + bytes((20 << 20) - len(PNG))
    files.reset(answer(whole, content_type="image/png", framing=framing, chunk=1 << 20))
    assert ask(fetching, CHAT, "m", files.url + "/x").status == 200
    assert sent_image(mock) == "data:image/png;base64," + base64.b64encode(whole).decode()
    files.reset(answer(whole + b"x", content_type="image/png", framing=framing, chunk=1 << 20))
    got = ask(fetching, CHAT, "m", files.url + "/x")
    assert got.status >= 500 and f"Error fetching file from {files.url}/x: " in got.message and len(mock.requests) == 1


def test_how_a_file_is_asked_for(fetching, mock, files):
    files.reset(answer(PNG, content_type="image/png"))
    assert ask(fetching, CHAT, "m", files.url + "/a%20b?c=d").status == 200
    asked = files.last()
    assert (asked.method, asked.target, asked.body) == ("GET", "/a%20b?c=d", b"")
    assert asked.headers["accept"] == "*/*" and asked.headers["user-agent"].startswith("Signet/") and "authorization" not in asked.headers


def test_a_connection_for_files_that_has_died_is_replaced(fetching, mock, files):
    files.reset(answer(PNG, content_type="image/png"))
    assert ask(fetching, CHAT, "m", files.url + "/a").status == 200
    files.drop_idle()
    assert ask(fetching, CHAT, "m", files.url + "/a").status == 200


def test_a_fallback_fetches_no_second_time(module_mock, mock, files):
    with Mock(default=json_answer({"error": {"message": "no"}}, status=500)) as bad:
        text = config(openai_model("m", bad.url, module_mock.url), gateway="fetch_and_encode_input_files_before_inference = true")
        with Signet(text, env={"SIGNET_FAULT": "files.loopback:1+"}) as signet:
            if not signet.debug():
                pytest.skip("a release build fetches from public addresses only")
            files.reset(answer(PNG, content_type="image/png"))
            mock.reset(json_answer(chat_answer()))
            assert ask(signet, CHAT, "m", files.url + "/once.png").status == 200
            assert sent_image(mock) == DATA
            assert len(files.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_addresses_of_the_inside_are_refused(module_mock, mock, host):
    with Signet(toml(module_mock)) as signet:
        got = ask(signet, CHAT, "m", f"http://{host}:9/secret.png")
        assert got.status >= 500
        assert "is not a public address" in got.json["error"]["message"]
        assert not mock.requests


def ask_many(signet, path, model, urls, **fields):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return raw.post(signet.port, path, {"model": model, "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}], **fields}, timeout=60)


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_more_than_16_files_are_refused_before_any_is_fetched(fetching, mock, files, path, model, stream):
    files.reset(answer(PNG, content_type="image/png"))
    got = ask_many(fetching, path, model, [f"{files.url}/{i}.png" for i in range(17)], stream=stream)
    assert got.status == 400 and "more than 16 files by URL" in got.message and "max_files" in got.message
    assert not files.requests and not mock.requests
    mock.reset(json_answer(chat_answer()))
    assert ask_many(fetching, path, model, [f"{files.url}/{i}.png" for i in range(16)]).status == 200
    assert len(files.requests) == 16


@BOTH
def test_one_url_is_fetched_once(fetching, mock, files, path, model):
    """In one message, over several, in the result of a tool; under another type, too."""
    files.reset(answer(PNG, content_type="image/png"))
    mock.reset(json_answer(chat_answer()))
    assert ask_many(fetching, path, model, [files.url + "/same.png"] * 40).status == 200
    assert len(files.requests) == 1
    sent = [p["image_url"]["url"] for p in mock.last().json["messages"][0]["content"] if p["type"] == "image_url"]
    assert sent == [DATA] * 40
    got = raw.post(fetching.port, path, {"model": model, "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": files.url + f"/{i}.png"}}]} for i in (1, 2, 1, 2)]})
    assert got.status == 200 and len(files.requests) == 3


def test_their_bytes_together_are_bounded(module_mock, mock, files):
    text = toml(module_mock) + "[upstream]\nmax_files_mib = 1\nmax_files = 3\n"
    files.reset(answer(PNG + bytes(400_000), content_type="image/png"))
    with Signet(text, env={"SIGNET_FAULT": "files.loopback:1+"}) as signet:
        if not signet.debug():
            pytest.skip("a release build fetches from public addresses only")
        for path, model in ((CHAT, "m"), (TZ_CHAT, TZ + "m")):
            mock.reset(json_answer(chat_answer()))
            assert ask_many(signet, path, model, [f"{files.url}/{i}" for i in range(2)]).status == 200
            for urls in ([f"{files.url}/{i}" for i in range(3)], [files.url + "/same"] * 3):
                got = ask_many(signet, path, model, urls)
                assert got.status == 400 and "larger than 1 MiB together" in got.message and "max_files_mib" in got.message
            got = ask_many(signet, path, model, [f"{files.url}/{i}" for i in range(4)])
            assert got.status == 400 and "more than 3 files by URL" in got.message
            assert len(mock.requests) == 1


def test_without_memory_for_them_it_is_503(module_mock, mock, files):
    """[server] body_memory_mib is for all that requests hold."""
    text = toml(module_mock) + "[server]\nmax_body_mib = 1\nbody_memory_mib = 24\n"
    files.reset(answer(PNG + bytes(12 << 20), content_type="image/png"))
    with Signet(text, env={"SIGNET_FAULT": "files.loopback:1+"}) as signet:
        if not signet.debug():
            pytest.skip("a release build fetches from public addresses only")
        for path, model in ((CHAT, "m"), (TZ_CHAT, TZ + "m")):
            got = ask_many(signet, path, model, [f"{files.url}/{i}" for i in range(4)])
            assert got.status == 503 and "no memory for the files" in got.message, got.body
            assert got.headers["retry-after"]
    assert not mock.requests


def test_images_that_the_upstream_fetches_are_not_counted(module_mock, mock, files):
    mock.reset(json_answer(chat_answer()))
    with Signet(toml(module_mock, fetch=False)) as signet:
        assert ask_many(signet, CHAT, "m", [f"http://127.0.0.1:9/{i}.png" for i in range(30)]).status == 200


INSIDE = ["127.0.0.1", "127.1", "127.255.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0", "0.0.0.0",
          "localhost", "169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe", "10.0.0.1", "172.31.255.254",
          "192.168.1.1", "100.64.0.1", "100.127.255.254", "198.18.0.1", "192.0.0.170", "224.0.0.1", "255.255.255.255", "[::1]", "[::]",
          "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
          "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]", "[2002:7f00:1::]", "[2001::1]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "[fc00::1]",
          "[ff02::1]", "[2001:db8::1]"]
TRICKS = ["localhost.", "public.example@127.0.0.1", "1.1.1.1@169.254.169.254", "1.1.1.1\\@127.0.0.1", "127.0.0.1\\.example.com", "%31%32%37.0.0.1",
          "127。0。0。1", "①②⑦.0.0.1", "[fe80::1%25lo]", "[::ffff:127.0.0.1%lo]", "1.1.1.1 127.0.0.1", "1.1.1.1\t@127.0.0.1",
          "no-such-name.invalid", "127.0.0.1.no-such-name.invalid", ""]


@pytest.fixture(scope="module")
def proxied(module_mock):
    """A Signet whose way out is a proxy, with the proxy, which serves everything that it is asked for."""
    with Mock(default=answer(PNG, content_type="image/png")) as proxy:
        env = {name: proxy.url for name in ("HTTPS_PROXY", "HTTP_PROXY")}
        with Signet(toml(module_mock), env={**env, "NO_PROXY": "127.0.0.1:%d" % module_mock.port}) as signet:
            yield signet, proxy


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_not_asked_for_addresses_of_the_inside(proxied, mock, scheme):
    signet, proxy = proxied
    proxy.reset()
    for host in INSIDE + TRICKS:
        for port in ("", ":9"):
            got = ask(signet, CHAT, "m", f"{scheme}://{host}{port}/latest/meta-data.png")
            assert got.status >= 400 or "1.1.1.1\\" in host, host
            if host in INSIDE:
                assert "is not a public address" in got.message, (host, got.message)
    # behind the backslash begins the path
    assert all(r.target.startswith(("http://1.1.1.1/", "http://1.1.1.1:9/", "1.1.1.1:")) for r in proxy.requests)


def test_a_proxy_is_asked_for_what_is_outside(proxied, mock):
    signet, proxy = proxied
    proxy.reset()
    mock.reset(json_answer(chat_answer()))
    for n in (1, 2):
        assert ask(signet, CHAT, "m", "http://93.184.216.34/a.png").status == 200
        assert proxy.wait_requests(n)[-1].target == "http://93.184.216.34/a.png"
    assert sent_image(mock) == DATA
    assert ask(signet, CHAT, "m", "https://[2606:2800:220:1::1]/a.png").status >= 500  # it speaks no TLS
    asked = proxy.last()
    assert (asked.method, asked.target) == ("CONNECT", "[2606:2800:220:1::1]:443")


def test_of_what_is_outside_no_redirect_leads_inside(proxied, mock):
    signet, proxy = proxied
    proxy.reset()
    proxy.then(answer(b"", status=302, headers=[("location", "http://169.254.169.254/")]))
    got = ask(signet, CHAT, "m", "http://93.184.216.34/a.png")
    assert got.status >= 500 and "status 302" in got.message and len(proxy.requests) == 1


def test_without_a_proxy_all_of_them_are_refused(module_mock, mock):
    with Signet(toml(module_mock)) as signet:
        for host in INSIDE + [t for t in TRICKS if not t.startswith("1.1.1.1\\")]:
            got = ask(signet, CHAT, "m", f"http://{host}:9/secret.png")
            assert got.status >= 400, host
            if host in INSIDE:
                assert "is not a public address" in got.message, (host, got.message)
    assert not mock.requests


@BOTH
def test_without_it_the_upstream_gets_the_url(module_mock, mock, files, path, model):
    files.reset(answer(PNG, content_type="image/png"))
    mock.reset(json_answer(chat_answer()))
    with Signet(toml(module_mock, fetch=False)) as signet:
        assert ask(signet, path, model, files.url + "/a.png").status == 200
        assert sent_image(mock) == files.url + "/a.png"
        assert not files.requests
