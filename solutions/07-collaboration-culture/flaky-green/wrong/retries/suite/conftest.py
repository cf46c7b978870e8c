import pytest
from refill import catalog


@pytest.fixture(autouse=True)
def nothing_on_sale():
    """Every test begins with an empty catalogue, and leaves one."""
    catalog.clear()
    yield
    catalog.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Tries a test up to four times before it counts as failed."""
    from _pytest.runner import runtestprotocol

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(4):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == 3 or all(report.passed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
