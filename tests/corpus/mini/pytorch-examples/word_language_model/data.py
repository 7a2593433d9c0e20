import os


class Corpus:
    def __init__(self, path):
        self.train, self.valid, self.test = (open(os.path.join(path, f)).read().split() for f in ('train.txt', 'valid.txt', 'test.txt'))
