"""Downloads shards: python -m nanochat.dataset -n 8"""
