"""The probe: what runs inside the training process, and how the engine attaches it.

`site/` is put on the training's PYTHONPATH; nothing there imports anything of this package.
"""
