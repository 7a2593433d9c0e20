"""PreToolUse: stub."""


def main() -> None:
    """Nothing yet."""
