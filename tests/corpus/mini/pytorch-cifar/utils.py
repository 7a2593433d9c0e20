import sys


def progress_bar(current, total, msg=None):
    sys.stdout.write(f" {current}/{total} {msg or ''}")
    sys.stdout.write("\r" if current < total - 1 else "\n")
