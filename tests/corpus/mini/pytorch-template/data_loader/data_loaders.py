def digits():
    return []
