import pytest


@pytest.fixture
def kind():
    return "simple"
