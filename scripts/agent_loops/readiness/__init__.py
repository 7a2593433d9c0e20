"""What a night needs of the person and of the machine: what they grant, and the check at bedtime.

Each module says for itself what it does not do.
"""
