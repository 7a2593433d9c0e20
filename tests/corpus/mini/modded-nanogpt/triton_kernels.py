def fused_relu_square(x, w):
    return (x @ w.T).relu().square()
