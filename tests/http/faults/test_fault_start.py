"""Starts that cannot succeed: refused with one line that says why and what to do, exit status 1."""
import ctypes
import os
import socket
import stat

import pytest

from lib import raw
from lib.mock import Mock
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

ROOT = os.geteuid() == 0
MODEL = openai_model("m", "http://127.0.0.1:1")


def refused(toml, **options):
    status, err = Signet(toml, start=False, **options).fails_to_start()
    assert status == 1, err
    return err


def at(port, extra=""):
    return f'[gateway]\nbind_address = "127.0.0.1:{port}"\n[gateway.observability]\nenabled = false\n' + MODEL + extra


def test_port_in_use_by_another_program():
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    port = other.getsockname()[1]
    err = refused(at(port))
    assert f"Failed to bind to `127.0.0.1:{port}`: address in use" in err
    assert "--bind-address" in err
    other.close()


def test_port_in_use_by_a_second_signet_of_the_same_user():
    """Under SO_REUSEPORT alone both would serve, unseen."""
    with Signet(config(MODEL)) as first:
        err = refused(at(first.port))
        assert f"Failed to bind to `127.0.0.1:{first.port}`: address in use" in err
        assert raw.get(first.port, "/status").status == 200


def test_port_in_use_by_one_that_reuses_ports():
    other = socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other.bind(("127.0.0.1", 0))
    other.listen()
    assert "address in use" in refused(at(other.getsockname()[1]))
    other.close()


def test_port_is_free_again_at_once():
    with Signet(config(MODEL)) as first:
        port = first.port
        raw.post(port, CHAT, chat())
    with Signet(at(port)) as again:
        assert again.port == port


def as_one_who_may_not_bind():
    """root loses CAP_NET_BIND_SERVICE (10) for the program to come, others have not got it: PR_CAPBSET_DROP is 24"""
    if ROOT:
        assert ctypes.CDLL(None).prctl(24, 10, 0, 0, 0) == 0


def test_port_that_is_not_ours():
    assert "Failed to bind to" in refused(at(1), preexec=as_one_who_may_not_bind)


def test_bad_bind_address():
    for bad in ("127.0.0.1", "127.0.0.1:99999", "nowhere:1:2", ""):
        err = refused(f'[gateway]\nbind_address = "{bad}"\n' + MODEL)
        assert "bind_address" in err


def test_data_dir_in_use():
    toml = config(MODEL, record=True)
    with Signet(toml) as first:
        second = Signet(toml, start=False, env={"SIGNET_DATA_DIR": first.data_dir})
        status, err = second.fails_to_start()
        assert status == 1
        assert f"is in use by process {first.process.pid}" in err
    with Signet(toml, env={"SIGNET_DATA_DIR": first.data_dir}):
        pass


def test_data_dir_is_a_file(tmp_path):
    path = tmp_path / "data"
    path.write_text("")
    assert str(path) in refused(config(MODEL, record=True), env={"SIGNET_DATA_DIR": str(path)})


def test_data_dir_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "data")
    assert path in refused(config(MODEL, record=True), env={"SIGNET_DATA_DIR": path})


def test_data_dir_read_only(tmp_path):
    """Root writes through permissions, so root takes a read-only mount."""
    path = tmp_path / "data"
    path.mkdir()
    if ROOT:
        if os.system(f"mount -t tmpfs -o ro,size=1m tmpfs {path} 2>/dev/null"):
            pytest.skip("no right to mount here")
    else:
        path.chmod(0o500)
    try:
        err = refused(config(MODEL, record=True), env={"SIGNET_DATA_DIR": str(path)})
        assert str(path) in err
    finally:
        if ROOT:
            os.system(f"umount {path}")


def test_files_of_the_data_dir_are_closed_to_others():
    with Signet(config(MODEL, record=True)) as s:
        raw.post(s.port, CHAT, chat())
        for folder, folders, files in os.walk(s.data_dir):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
            for name in files:
                assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
        with open(os.path.join(s.data_dir, "lock")) as f:
            assert str(s.process.pid) in f.read()


def test_data_dir_from_the_command_line(tmp_path):
    with Signet(config(MODEL, record=True), args=["--data-dir", str(tmp_path / "mine")]) as s:
        assert os.path.isdir(tmp_path / "mine" / "journal")
        assert not os.path.exists(s.data_dir)


def test_no_config_file(tmp_path):
    s = Signet(None, start=False)
    s.toml_path = str(tmp_path / "none.toml")
    status, err = s.fails_to_start()
    assert status == 1 and "none.toml" in err


def test_missing_credential_of_a_configured_model():
    err = refused(config(openai_model("m", "http://127.0.0.1:1", keys='api_key_location = "env::NOT_THERE_AT_ALL"')))
    assert "NOT_THERE_AT_ALL" in err


RUST_PROXY = '[models.r]\nrouting = ["p"]\n[models.r.providers.p]\ntype = "rust-proxy"\nmodel_name = "x"\n'


@pytest.mark.parametrize("env,missing", [
    ({}, ("API_ENDPOINT", "DEVICE_ID", "SID")),
    ({"API_ENDPOINT": "https://xxx", "DEVICE_ID": "xxxx", "SID": "sid"}, ("API_ENDPOINT", "DEVICE_ID", "SID")),
    ({"API_ENDPOINT": "http://127.0.0.1:1/", "DEVICE_ID": "", "SID": "s"}, ("DEVICE_ID",)),
    ({"API_ENDPOINT": "http://127.0.0.1:1/", "DEVICE_ID": "d", "SID": "sid"}, ("SID",)),
], ids=["none", "placeholders", "empty", "one"])
def test_placeholder_variables(env, missing):
    clean = {k: "" for k in ("API_ENDPOINT", "DEVICE_ID", "SID")} | env
    err = refused(config(RUST_PROXY), env=clean)
    line = next(l for l in err.splitlines() if "Failed to create DevApiClient" in l)
    for name in ("API_ENDPOINT", "DEVICE_ID", "SID"):
        assert (f"{name}" in line.replace("models.r.providers.p", "")) == (name in missing), line


def test_world_writable_config_with_a_secret(tmp_path):
    """A literal secret in a file that others may write stops the start (issue, scope 8)."""
    toml = config(RUST_PROXY + 'api_endpoint = "http://127.0.0.1:1/"\ndevice_id = "d"\nsession_id = "very-secret"\n')
    s = Signet(toml, start=False)
    os.chmod(s.toml_path, 0o666)
    status, err = s.fails_to_start()
    assert status == 1 and s.toml_path in err and "very-secret" not in err


def test_second_start_while_the_first_drains():
    """Ends at once when the lock is held, also if the holder is about to go."""
    with Mock() as mock:
        from lib.mock import json_answer, chat_answer

        mock.default = json_answer(chat_answer(), delay=0.7)
        toml = config(openai_model("m", mock.url), record=True)
        with Signet(toml) as first:
            c = raw.Client(first.port)
            c.send(raw.post_bytes(CHAT, chat()))
            mock.wait_requests(1)
            first.process.terminate()
            assert c.read().status == 200, "a request in flight was dropped by the drain"
            first.process.wait(20)
