class Proxy:
    def __init__(self, make):
        self.make = make

    def __str__(self):
        return str(self.make())
