import pytest

import root


def pytest_collection_modifyitems(items):
    reason = root.missing()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
