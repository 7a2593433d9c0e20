"""Executed inside train.py: a bare argument is a config file, --name=value sets a global."""
import sys
from ast import literal_eval

for arg in sys.argv[1:]:
    if "=" not in arg:
        print(f"Overriding config with {arg}:")
        print(open(arg).read())
        exec(open(arg).read())
    else:
        k, v = arg[2:].split("=")
        if k not in globals():
            raise ValueError(f"Unknown config key: {k}")
        try:
            v = literal_eval(v)
        except (SyntaxError, ValueError):
            pass
        globals()[k] = v
