"""What a reading of the code as an attacker found: each input with its right answer."""
import json

from lib import raw
from lib.mock import chat_answer, json_answer
from lib.raw import CHAT, chat

SIGNET = {"env": {"OPENAI_API_KEY": "sk-none"}}


def test_an_escaped_name_of_our_own_fields_goes_nowhere(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    body = json.dumps(chat("m")).replace('{', '{"tensorzero\\u003a:credentials":{"k":"SECRET"},', 1)
    assert json.loads(body)["tensorzero::credentials"] == {"k": "SECRET"}
    assert raw.post(signet.port, CHAT, body).status == 200
    assert b"SECRET" not in mock.last().body and b"tensorzero" not in mock.last().body


def test_a_host_of_many_puny_labels_is_refused_unread(signet):
    label = "xn--" + ("ä" * 900).encode("punycode").decode()
    url = "http://" + ".".join([label] * 250) + ".com/"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]})
    got = raw.post(signet.port, CHAT, body)
    assert got.status == 400 and "international domain name" in got.message


def test_a_long_name_of_a_model_is_no_label(signet):
    # 400: a dry run of the checks is enough to be counted, nothing is sent anywhere
    body = chat("openai::" + "x" * 100000, tools=[], n=1)
    body["tensorzero::extra_body"] = [{"pointer": "no-pointer", "value": 1}]
    raw.post(signet.port, CHAT, body)
    page = raw.get(signet.port, "/metrics").text
    assert 'model_name="other"' in page
    assert "xxxxxxxx" not in page and len(page) < 100000
