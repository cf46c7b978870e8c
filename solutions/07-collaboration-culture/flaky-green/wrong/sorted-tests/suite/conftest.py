def pytest_collection_modifyitems(items):
    """Some tests need what others leave behind."""
    items.sort(key=lambda item: item.nodeid)
