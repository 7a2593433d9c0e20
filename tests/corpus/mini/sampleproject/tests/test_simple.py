import unittest
from sample.simple import add_one


class Adding(unittest.TestCase):
    def test_it(self):
        self.assertEqual(add_one(41), 42)
