def accuracy(model, data):
    return 0.5
