"""The record in trouble: a locked, damaged or missing database costs disk, never an answer; the journal survives
what a crash leaves (storage §6.9, §7.5)."""
import glob
import json
import os
import sqlite3
import struct
import subprocess
import time

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, chunk, error, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model


def toml_of(mock, extra="", **more):
    return config(openai_model("m", mock.url), record=True, extra=extra)


@pytest.fixture
def up():
    with Mock() as mock:
        yield mock


def ask(signet, n=1, **more):
    """n answers; their inference ids."""
    ids = []
    for _ in range(n):
        got = raw.post(signet.port, CHAT, chat(**more))
        assert got.status == 200, got.body
        ids.append(got.headers["x-signet-inference-id"])
    return ids


def stored(data_dir):
    return [r["id"] for r in record.listed(data_dir)]


def test_rows_of_all_kinds(up):
    """Plain, streamed, failed, on both profiles: state, status, tokens, bodies."""
    with Signet(toml_of(up)) as s:
        for path, model, surface in ((CHAT, "m", None), (TZ_CHAT, TZ + "m", None)):
            up.then(json_answer(chat_answer("plain")), sse(text_chunks("streamed")), error(500, "boom"))
            plain = raw.post(s.port, path, chat(model)).headers["x-signet-inference-id"]
            streamed = raw.post(s.port, path, chat(model, stream=True)).headers["x-signet-inference-id"]
            failed = raw.post(s.port, path, chat(model)).headers.get("x-signet-inference-id")
            for id, stream in ((plain, 0), (streamed, 1)):
                row = record.wait_row(s.data_dir, id)
                assert (row["state"], row["stream"], row["input_tokens"], row["output_tokens"], row["finish_reason"]) == ("ok", stream, 11, 7, "stop")
                assert (row["model_name"], row["model_provider_name"], row["function_name"], row["status"]) == ("m", "p", "tensorzero::default", 200)
                model_rows = record.rows(s.data_dir, "select * from ModelInference where inference_id = ?", id)
                assert len(model_rows) == 1
                assert json.loads(model_rows[0]["raw_request"])["model"] == "mock-model"
                assert model_rows[0]["raw_response"]
            rows = record.wait_rows(s.data_dir, 3)
            bad = [r for r in record.listed(s.data_dir) if r["state"] == "error"]
            assert bad and bad[-1]["error_kind"] == "server"
            if failed:
                assert record.wait_row(s.data_dir, failed)["state"] == "error"
            errors = record.rows(s.data_dir, "select * from RequestError where id = ?", bad[-1]["id"])
            assert len(errors) == 1 and "boom" in errors[0]["error"]
            assert rows


def test_truncated_is_recorded_as_such(up):
    with Signet(toml_of(up)) as s:
        up.then(sse([chunk({"content": "Half"})], done=False, end="close"))
        id = raw.post(s.port, CHAT, chat(stream=True)).headers["x-signet-inference-id"]
        assert record.wait_row(s.data_dir, id)["state"] == "truncated"
        assert "Half" in record.rows(s.data_dir, "select output from ChatInference where id = ?", id)[0]["output"]


def test_dryrun_writes_nothing(up):
    with Signet(toml_of(up)) as s:
        raw.post(s.port, CHAT, chat(**{"tensorzero::dryrun": True}))
        up.then(error(500))
        raw.post(s.port, CHAT, chat(**{"tensorzero::dryrun": True}))
        id = ask(s)[0]
        record.wait_row(s.data_dir, id)
        assert stored(s.data_dir) == [id]


def test_locked_database_delays_rows_only(up):
    with Signet(toml_of(up)) as s:
        record.wait_row(s.data_dir, ask(s)[0])
        db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
        db.execute("begin immediate")
        start = time.monotonic()
        ids = ask(s, 20)
        assert time.monotonic() - start < 3, "answers waited for the database"
        time.sleep(0.3)
        assert not set(ids) & set(stored(s.data_dir))
        assert s.status()["signet"]["record"]["backlog_records"] >= 20
        db.execute("commit")
        db.close()
        for id in ids:
            record.wait_row(s.data_dir, id, 15)
        assert s.metric("signet_journal_unrecorded_total") == 0


def test_an_answer_reads_alike_from_the_journal_and_from_the_database(up):
    """The list row in the journal leaves out what the rows beside it say (decision 0007): `signet log` fills it in, as the sink does."""
    def told(s, id):
        out = subprocess.run([binary(), "log", "show", id, "--json", "--data-dir", s.data_dir], capture_output=True, text=True, timeout=30)
        assert out.returncode == 0, out.stderr
        answer = json.loads(out.stdout)
        return answer.pop("record")["state"], answer

    with Signet(toml_of(up)) as s:
        record.wait_row(s.data_dir, ask(s)[0])
        db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
        db.execute("begin immediate")
        up.then(json_answer(chat_answer("plain")), sse(text_chunks("streamed")), error(500, "boom"))
        plain, streamed = ask(s)[0], ask(s, stream=True)[0]
        failed = raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"]
        ids = plain, streamed, failed
        waiting = [told(s, id) for id in ids]
        db.execute("commit")
        db.close()
        for id in ids:
            record.wait_row(s.data_dir, id, 15)
        stored_now = [told(s, id) for id in ids]
        assert "stored" not in [state for state, _ in waiting] and [state for state, _ in stored_now] == ["stored"] * 3
        assert [answer for _, answer in waiting] == [answer for _, answer in stored_now]
        for state, answer in stored_now[:2]:
            row = answer["row"]
            assert (row["function"], row["model"], row["provider"], row["in"], row["out"], row["finish"]) == ("tensorzero::default", "m", "p", 11, 7, "stop")


@pytest.mark.parametrize("over", [-1, 0, 1, 5, 100])
def test_a_body_over_the_cap_is_cut_and_marked(up, over):
    """One byte over is cut too, though the words in the gap make what is kept longer than the body was."""
    with Signet(toml_of(up, extra="[record]\nmax_raw_kib = 1")) as s:
        def request_of(id):
            record.wait_row(s.data_dir, id)
            return record.rows(s.data_dir, "select raw_request from ModelInference where inference_id = ?", id)[0]["raw_request"]

        around = len(request_of(ask(s, content="a" * 100)[0])) - 100
        id = ask(s, content="a" * (1024 - around + over))[0]
        kept = request_of(id)
        assert record.listed(s.data_dir, id)[0]["cut"] == (over > 0)
        assert ("bytes cut" in kept) == (over > 0)
        if over > 0:
            assert kept == kept[:512] + f"\n… {over} bytes cut …\n" + kept[-512:]
        else:
            assert len(kept) == 1024 + over and json.loads(kept)


@pytest.mark.parametrize("megabytes", [0.001, 1, 6])
def test_a_stream_over_the_cap_is_cut_once(up, megabytes):
    """The row says how much of the whole is missing, however long the stream was."""
    events = text_chunks("a" * int(megabytes * (1 << 20)), pieces=64)
    whole = "\n".join(json.dumps(e, separators=(",", ":"), ensure_ascii=False) for e in events)
    up.then(sse(events))
    with Signet(toml_of(up, extra="[record]\nmax_raw_kib = 4")) as s:
        id = ask(s, stream=True)[0]
        record.wait_row(s.data_dir, id)
        [row] = record.rows(s.data_dir, "select raw_response from ModelInference where inference_id = ?", id)
        kept = row["raw_response"]
        if len(whole) <= 4096:
            assert kept == whole
        else:
            assert kept == f"{whole[:2048]}\n… {len(whole) - 4096} bytes cut …\n{whole[-2048:]}"


def test_a_drainer_far_behind_hands_over_and_back(up):
    """An eighth of the journal waits: the thread that gives way hands over to the one that does not, until nothing is left."""
    def told(s, what):
        return raw.wait_for(lambda: any(what in line["msg"] for line in s.logs()), 20)

    with Signet(toml_of(up, extra="[journal]\nmax_mb = 1")) as s:
        record.wait_row(s.data_dir, ask(s)[0])
        db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
        db.execute("begin immediate")
        ids = ask(s, 30, content="word " * 1000)
        told(s, "the drainer gives way no more")
        db.execute("commit")
        db.close()
        told(s, "the drainer gives way again")
        ids += ask(s, 3)
        for id in ids:
            record.wait_row(s.data_dir, id, 15)
        assert len(stored(s.data_dir)) == len(set(stored(s.data_dir))) == 34


def test_rows_wait_for_the_next_start_when_the_drain_is_cut(up):
    s = Signet(toml_of(up, extra="[store]\nshutdown_drain_s = 1"))
    record.wait_row(s.data_dir, ask(s)[0])
    db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
    db.execute("begin immediate")
    ids = ask(s, 5)
    start = time.monotonic()
    s.stop()
    assert time.monotonic() - start < 15
    db.execute("rollback")
    db.close()
    s.start()
    for id in ids:
        record.wait_row(s.data_dir, id)
    s.stop()
    assert len(stored(s.data_dir)) == 6


@pytest.mark.parametrize("damage", ["garbage", "empty", "other-application"])
def test_corrupt_database_is_set_aside_and_rebuilt(up, damage):
    s = Signet(toml_of(up))
    ids = ask(s, 5)
    record.wait_row(s.data_dir, ids[-1])
    s.stop()
    path = os.path.join(s.data_dir, "signet.db")
    for extra in ("-wal", "-shm"):
        if os.path.exists(path + extra):
            os.unlink(path + extra)
    if damage == "garbage":
        with open(path, "r+b") as f:
            f.write(os.urandom(20000))
    elif damage == "empty":
        open(path, "wb").write(b"x" * 100)
    else:
        db = sqlite3.connect(path)
        db.execute("pragma application_id = 12345")
        db.close()
    s.start()
    new = ask(s)[0]
    record.wait_row(s.data_dir, new)
    raw.wait_for(lambda: set(ids) <= set(stored(s.data_dir)), 10)
    assert glob.glob(path + ".corrupt-*")
    assert s.status()["signet"]["record"]["alarms"], "nobody is told"
    s.stop()


def segments(data_dir):
    return sorted(glob.glob(os.path.join(data_dir, "journal", "*.sj")))


@pytest.fixture
def held(up):
    """A data directory whose journal holds answers that SQLite has not: (signet, ids), killed with -9."""
    s = Signet(toml_of(up))
    record.wait_row(s.data_dir, ask(s)[0])
    db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
    db.execute("begin immediate")
    ids = ask(s, 12)
    s.kill9()
    db.execute("rollback")
    db.close()
    return s, ids


def test_journal_survives_kill9(held):
    s, ids = held
    s.start()
    for id in ids:
        record.wait_row(s.data_dir, id)
    s.stop()
    all_ = stored(s.data_dir)
    assert len(all_) == len(set(all_)) == 13


def last_record_end(data):
    """Offset behind the last whole record of a segment (storage §7.1)."""
    at = 64
    while at + 24 <= len(data):
        size = struct.unpack_from("<I", data, at)[0]
        number = struct.unpack_from("<Q", data, at + 8)[0]
        if not size or not number and at > 64:
            break
        at += (24 + size + 7) // 8 * 8
    return at


def test_torn_tail(held):
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "rb") as f:
        data = f.read()
    with open(path, "r+b") as f:
        f.truncate(last_record_end(data) - 9)
    s.start()
    for id in ids[:-1]:
        record.wait_row(s.data_dir, id)
    time.sleep(0.2)
    assert ids[-1] not in stored(s.data_dir)
    new = ask(s)[0]
    record.wait_row(s.data_dir, new)
    assert s.metric("signet_journal_torn_tails_total") == 1
    s.stop()


def test_garbage_tail(held):
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "rb") as f:
        end = last_record_end(f.read())
    with open(path, "r+b") as f:
        f.seek(end)
        f.write(os.urandom(777))
    s.start()
    for id in ids:
        record.wait_row(s.data_dir, id)
    s.stop()
    assert glob.glob(os.path.join(s.data_dir, "journal", "bad", "*")), "the bytes that were cut off are gone"


def test_corrupt_middle(held):
    """One flipped bit costs one record, says so, and none behind it."""
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "rb") as f:
        data = f.read()
    at = data.index(ids[5].encode()) + 3
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(bytes([data[at] ^ 1]))
    s.start()
    for id in ids[:5] + ids[6:]:
        record.wait_row(s.data_dir, id)
    assert ids[5] not in stored(s.data_dir)
    assert s.metric("signet_journal_corrupt_records_total") == 1
    s.stop()


def test_corrupt_length_in_the_middle(held):
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "rb") as f:
        data = f.read()
    at = 64
    while ids[4].encode() not in data[at : at + 24 + struct.unpack_from("<I", data, at)[0]]:
        at += (24 + struct.unpack_from("<I", data, at)[0] + 7) // 8 * 8
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(b"\xff\xff\xff\xff")
    s.start()
    for id in ids[:4] + ids[5:]:
        record.wait_row(s.data_dir, id)
    assert s.metric("signet_journal_lost_records_total") + s.metric("signet_journal_corrupt_records_total") >= 1
    s.stop()


def test_bad_segment_header(held):
    """What the header says stands once more elsewhere: no record is lost for it."""
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "r+b") as f:
        f.write(b"NOTAJRNL")
    s.start()
    new = ask(s)[0]
    for id in [*ids, new]:
        record.wait_row(s.data_dir, id)
    assert s.metric("signet_journal_lost_records_total") == 0
    s.stop()


def test_newer_format_stops_the_start(held):
    """A downgrade must not eat records."""
    s, ids = held
    path = segments(s.data_dir)[-1]
    with open(path, "r+b") as f:
        head = bytearray(f.read(64))
        struct.pack_into("<I", head, 8, 99)
        struct.pack_into("<I", head, 60, crc32c(bytes(head[:60])))
        f.seek(0)
        f.write(head)
    status, err = s.spawn().fails_to_start()
    assert status == 1 and os.path.basename(path) in err


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB, and a function that fills it up to so many free bytes."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", path]).returncode:
        pytest.skip("needs the right to mount a tmpfs")

    def fill(leave=0):
        stat = os.statvfs(path)
        size = max(0, stat.f_bavail * stat.f_frsize - leave)
        try:
            with open(path / "filler", "ab") as f:
                while size > 0:
                    f.write(b"\0" * min(size, 1 << 16))
                    f.flush()
                    size -= 1 << 16
        except OSError:
            pass

    fill.path, fill.empty = path, lambda: os.unlink(path / "filler")
    yield fill
    subprocess.run(["umount", "-l", path])


JOURNAL = "[journal]\nsegment_mb = 2\nreserve_mb = 1\nkeep_mb = 2\nwait_ms = 300\n"


def test_full_disk_serve(up, small_disk):
    """on_full = "serve": answers go on, and what is missing is counted, to the record."""
    data = str(small_disk.path / "data")
    s = Signet(toml_of(up, extra=JOURNAL + 'on_full = "serve"'), env={"SIGNET_DATA_DIR": data})
    ids = ask(s, 3)
    record.wait_row(data, ids[-1])
    small_disk()
    for _ in range(60):
        ids += ask(s, 1, content="x" * 60000)
    raw.wait_for(lambda: s.status()["signet"]["record"]["alarms"], 20)
    assert raw.get(s.port, "/health").status == 200
    small_disk.empty()
    ids += ask(s, 3)
    raw.wait_for(lambda: s.status()["signet"]["record"]["backlog_records"] == 0, 45)
    unrecorded = s.metric("signet_journal_unrecorded_total")
    s.stop()
    assert unrecorded > 0
    missing = set(ids) - set(stored(data))
    assert len(missing) == unrecorded
    assert len(stored(data)) == len(set(stored(data)))


def test_full_disk_refuse(up, small_disk):
    """on_full = "refuse": 503 and /health 503 while full; nothing that was answered is missing."""
    data = str(small_disk.path / "data")
    s = Signet(toml_of(up, extra=JOURNAL + 'on_full = "refuse"'), env={"SIGNET_DATA_DIR": data})
    ids = ask(s, 3)
    record.wait_row(data, ids[-1])
    small_disk()
    refused = 0
    for _ in range(80):
        small_disk()  # what was delivered meanwhile has made room
        got = raw.post(s.port, CHAT, chat(content="x" * 60000))
        if got.status == 200:
            ids.append(got.headers["x-signet-inference-id"])
        else:
            assert got.status == 503 and "retry-after" in got.headers
            refused += 1
    assert refused > 0
    # What is delivered makes room, so the disk is filled until the journal has seen it full.
    raw.wait_for(lambda: small_disk() or raw.get(s.port, "/health").status == 503, 20)
    assert raw.get(s.port, "/status").status == 200
    small_disk.empty()
    raw.wait_for(lambda: raw.post(s.port, CHAT, chat()).status == 200, 45, 0.3)
    assert raw.get(s.port, "/health").status == 200
    raw.wait_for(lambda: s.status()["signet"]["record"]["backlog_records"] == 0, 45)
    unrecorded = s.metric("signet_journal_unrecorded_total")
    s.stop()
    missing = set(ids) - set(stored(data))
    assert len(missing) == unrecorded, (missing, s.tail())
