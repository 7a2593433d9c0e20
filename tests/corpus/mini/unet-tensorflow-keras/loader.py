def dataLoader(path, batch_size):
    return iter(()), 0
