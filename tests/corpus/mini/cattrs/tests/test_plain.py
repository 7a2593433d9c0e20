from cattrs import Converter


def test_int():
    assert Converter().unstructure(5) == 5
