"""A bare root of Debian 12, made by debootstrap, and what it takes to run commands in it.

The root is made once and kept beside the engines ($XDG_CACHE_HOME/signet/roots); each test gets a copy. Nothing of the host is
changed: the copy has its own /proc, and the mounts end with it.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUITE = "bookworm"
MIRROR = os.environ.get("SIGNET_TEST_MIRROR", "http://deb.debian.org/debian")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "signet/roots"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive",
               # Where a proxy with a certificate of its own stands between here and the registries, the host knows that one.
               "CARGO_HTTP_CAINFO": "/host-authorities.crt", "NODE_EXTRA_CA_CERTS": "/host-authorities.crt"}
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def missing():
    """Why no root can be made here, or None."""
    if os.geteuid() != 0:
        return "this needs root (chroot)"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed (./dev setup roots)"
    try:
        socket.create_connection((MIRROR.split("/")[2], 80), 10).close()
    except OSError as e:
        return f"{MIRROR} cannot be reached: {e}"
    return None


def base():
    """What FROM debian:bookworm stands for. Made whole or not at all."""
    done = CACHE / SUITE
    if not done.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = CACHE / f"{SUITE}.new-{os.getpid()}"
        made = subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(new), MIRROR], capture_output=True, text=True)
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
        # The image has these too; Rust's package comes from the security archive.
        security = MIRROR.rstrip("/") + "-security"
        (new / "etc/apt/sources.list").write_text(f"deb {MIRROR} {SUITE} main\ndeb {MIRROR} {SUITE}-updates main\n"
                                                  f"deb {security} {SUITE}-security main\n")
        new.rename(done)
    return done


class Root:
    """A copy of the base, or of another one, at `path`. Mounted while the context lasts."""

    def __init__(self, path, source=None):
        self.path, self.mounts = pathlib.Path(path), []
        subprocess.run(["cp", "-a", "--reflink=auto", str(source or base()), str(self.path)], check=True)
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        (self.path / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")  # as container engines do
        shutil.copy(AUTHORITIES, self.path / "host-authorities.crt")

    def __enter__(self):
        self.mount("-t", "proc", "proc", "proc")
        self.mount("--rbind", "--make-rslave", "/dev", "dev")
        return self

    def mount(self, *args):
        *how, where = args
        target = self.path / where
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *how, str(target)], check=True)
        self.mounts.append(target)

    def __exit__(self, *_):
        for target in reversed(self.mounts):
            subprocess.run(["umount", "--recursive", "--lazy", str(target)], check=False)
        self.mounts.clear()

    def command(self, *argv, user=None, cwd="/", env=None):
        """argv for subprocess: in the root, with nothing of this environment."""
        run = ["chroot", *(["--userspec", user] if user else []), str(self.path), "env", "-i", *(f"{k}={v}" for k, v in (ENVIRONMENT | (env or {})).items())]
        return [*run, "sh", "-c", 'cd "$0" && exec "$@"', cwd, *argv]

    def run(self, *argv, user=None, cwd="/", env=None, timeout=3600):
        return subprocess.run(self.command(*argv, user=user, cwd=cwd, env=env), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def good(self, *argv, **more):
        got = self.run(*argv, **more)
        assert got.returncode == 0, f"{argv}\nexit {got.returncode}\n{got.stdout[-4000:]}\n{got.stderr[-4000:]}"
        return got.stdout


@contextlib.contextmanager
def running(process, end=20):
    """A process that is told to end and must."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(end)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


BOOT = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount --rbind /dev dev
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console systemd.unit=multi-user.target
"""


class Booted:
    """A root with systemd as process 1 of namespaces of its own (not of the network), so that units run as they will. It needs a
    root with the package systemd. pivot_root, not chroot: in a chroot no user namespace can be made, which PrivateUsers= wants."""

    def __init__(self, root, log):
        self.root = root
        self.outer = subprocess.Popen(["unshare", "--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup",
                                       "sh", "-c", BOOT, str(root.path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.init = None

    def __enter__(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.outer.poll() is None:
            children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
            if children:
                self.init = int(children[0])
                if self.run("systemctl", "is-system-running", "--wait", timeout=60).stdout.strip() in ("running", "degraded"):
                    return self
            time.sleep(0.2)
        self.__exit__()
        pytest.skip("systemd does not run in namespaces here (it needs cgroup2, and the right to mount)")

    def __exit__(self, *_):
        for pid in (self.init, self.outer.pid):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.outer.wait()

    def run(self, *argv, env=None, timeout=300):
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-C", "env", "-i", *(f"{k}={v}" for k, v in (ENVIRONMENT | (env or {})).items())]
        return subprocess.run([*inside, *argv], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def good(self, *argv, **more):
        got = self.run(*argv, **more)
        assert got.returncode == 0, f"{argv}\nexit {got.returncode}\n{got.stdout[-4000:]}\n{got.stderr[-4000:]}"
        return got.stdout
