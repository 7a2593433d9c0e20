"""What is missing or in the way: on the machine, in the host, in the project.

Nothing is changed.
"""
