class LogLinear:
  eps = 1e-3

  def __call__(self, t):
    return -(1 - (1 - self.eps) * t).log()
