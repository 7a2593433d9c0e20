import pytest
from types import SimpleNamespace as N
from cattrs import BaseConverter, Converter


@pytest.mark.parametrize("converter_cls", [BaseConverter, Converter])
def test_unstructure_attrs_nested(benchmark, converter_cls):
    benchmark(converter_cls().unstructure, N(a=N(b=1, c="x"), d=[N(e=2)] * 5))
