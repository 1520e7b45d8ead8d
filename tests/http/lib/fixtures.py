"""Fixtures of the http tests: one upstream and one Signet a module, both checked after every test.

A module says what it wants with a module-level function `signet_toml(mock)` (default: model `m` on the
mock). A test gets `mock` (emptied) and `signet` (running, and idle again when the test is over).
"""
import pytest

from lib.mock import Mock
from lib.signet import Signet, config, openai_model


@pytest.fixture(scope="module")
def module_mock():
    with Mock() as mock:
        yield mock


@pytest.fixture(scope="module")
def module_signet(request, module_mock):
    make = getattr(request.module, "signet_toml", lambda m: config(openai_model("m", m.url)))
    options = getattr(request.module, "SIGNET", {})
    with Signet(make(module_mock), **options) as signet:
        yield signet


@pytest.fixture
def mock(module_mock):
    default = module_mock.default
    module_mock.reset()
    yield module_mock
    module_mock.reset(default)


@pytest.fixture
def signet(module_signet, mock):
    yield module_signet
    module_signet.assert_idle()
