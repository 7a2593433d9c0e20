def main():
    """What the command runs."""
    print("Nothing to see yet")
