"""
MNIST dataset benchmark. Ten digits, 784 features.

Example of output :

    Classification performance:
    ===========================
    Classifier               train-time   test-time   error-rate
    ------------------------------------------------------------
    MLP_adam                     53.46s       0.11s       0.0224
    ExtraTrees                   42.99s       0.57s       0.0294
    dummy                         0.00s       0.01s       0.8973
"""
import argparse
import os
from time import time

from joblib import Memory
from sklearn.datasets import fetch_openml, get_data_home
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import zero_one_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

memory = Memory(os.path.join(get_data_home(), "mnist_benchmark_data"), mmap_mode="r")


@memory.cache
def load_data(order="F"):
    data = fetch_openml("mnist_784")
    X, y = data["data"] / 255, data["target"]
    cut = 60000
    return X[:cut], X[cut:], y[:cut], y[cut:]


ESTIMATORS = {
    "dummy": DummyClassifier(),
    "ExtraTrees": ExtraTreesClassifier(),
    "Nystroem-SVM": make_pipeline(Nystroem(gamma=0.015, n_components=1000), LinearSVC(C=100)),
    "MLP-adam": MLPClassifier(hidden_layer_sizes=(100, 100), max_iter=400, verbose=1, random_state=1),
}

if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--classifiers", nargs="+", choices=ESTIMATORS, default=["ExtraTrees", "Nystroem-SVM"])
    ap.add_argument("--n-jobs", nargs="?", default=1, type=int)
    ap.add_argument("--random-seed", nargs="?", default=0, type=int)
    args = vars(ap.parse_args())
    print(__doc__)
    X_train, X_test, y_train, y_test = load_data()
    print("%s %d" % ("number of features:".ljust(25), X_train.shape[1]))
    error, train_time, test_time = {}, {}, {}
    for name in sorted(args["classifiers"]):
        print("Training %s ... " % name, end="")
        est = ESTIMATORS[name]
        est.set_params(**{p: args["random_seed"] for p in est.get_params() if p.endswith("random_state")})
        t = time()
        est.fit(X_train, y_train)
        train_time[name], t = time() - t, time()
        guess = est.predict(X_test)
        test_time[name] = time() - t
        error[name] = zero_one_loss(y_test, guess)
        print("done")
    print("{0: <24} {1: >10} {2: >11} {3: >12}".format("Classifier  ", "train-time", "test-time", "error-rate"))
    for name in sorted(error, key=error.get):
        print("{0: <23} {1: >10.2f}s {2: >10.2f}s {3: >12.4f}".format(name, train_time[name], test_time[name], error[name]))
