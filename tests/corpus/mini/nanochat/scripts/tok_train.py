"""Trains the tokenizer: python -m scripts.tok_train"""
