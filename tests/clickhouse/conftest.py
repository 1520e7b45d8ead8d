import pytest

from clickhouse import ClickHouse
from lib.fixtures import mock, module_mock  # noqa: F401


@pytest.fixture(scope="module")
def server():
    with ClickHouse() as c:
        yield c


@pytest.fixture
def clickhouse(server):
    """The module's server, well again; a database of the test's own is in `.database`."""
    if server.process.poll() is not None:
        server.start()
    server.forget()
    server.database = "db%d" % next(server.__dict__.setdefault("numbers", iter(range(1, 100000))))
    yield server
