"""Upstreams made to hurt: a few bytes that become very many, statuses that are none."""
import gzip
import threading
import time

from lib import raw
from lib.mock import answer
from lib.raw import CHAT, chat
from lib.signet import config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url), extra="[server]\nworkers = 1\naccess_log = false")


def test_a_bomb_does_not_keep_the_others_waiting(signet, mock):
    """300 MiB of blanks in 300 KB: the worker was gone for over half a second."""
    bomb = gzip.compress(b" " * (300 << 20))
    mock.then(answer(bomb, headers=[("content-encoding", "gzip")]))
    worst, over = [0.0], threading.Event()

    def others():
        while not over.is_set():
            start = time.monotonic()
            assert raw.get(signet.port, "/health").status == 200
            worst[0] = max(worst[0], time.monotonic() - start)

    thread = threading.Thread(target=others)
    thread.start()
    start = time.monotonic()
    got = raw.post(signet.port, CHAT, chat(), timeout=60)
    took = time.monotonic() - start
    over.set()
    thread.join()
    assert got.status == 502 and "over 104857600 bytes" in got.message
    assert worst[0] < max(0.25, took / 2), f"{worst[0]:.2f} s of {took:.2f} s"


def test_a_status_that_is_none_is_not_passed_on(signet, mock):
    mock.then(answer(b'{"error":{"message":"mmm"}}', status=600))
    got = raw.post(signet.port, CHAT, chat())
    assert got.status == 502 and "mmm" in got.message
