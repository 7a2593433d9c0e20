from delayed import Proxy


def test_text():
    assert str(Proxy(lambda: "a")) == "a"


def test_late():
    Proxy(lambda: 1 / 0)
