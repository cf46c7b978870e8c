import pathlib
import random
import tempfile
import unittest

from refill import catalog


class Case(unittest.TestCase):
    """A case with an empty catalogue, a folder of its own, and numbers that are never the same."""

    def setUp(self):
        catalog.clear()
        self.addCleanup(catalog.clear)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.random = random.Random()
