def get_tokenizer():
    return None
