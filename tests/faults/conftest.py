from lib.fixtures import mock, module_mock, module_signet, signet  # noqa: F401
