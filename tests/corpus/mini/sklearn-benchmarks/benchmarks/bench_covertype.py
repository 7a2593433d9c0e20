"""
Covertype dataset benchmark.

    Classifier   train-time test-time error-rate
    --------------------------------------------
    CART          79.4296s    0.0523s     0.0469
    ExtraTrees    640.3194s   0.6495s     0.0198
"""
import argparse

from sklearn.tree import DecisionTreeClassifier

ESTIMATORS = {"CART": DecisionTreeClassifier(min_samples_split=5)}

if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--classifiers", nargs="+", default=["liblinear", "GaussianNB", "SGD", "CART"])
    ap.add_argument("--random-seed", nargs="?", default=13, type=int)
    names = ap.parse_args().classifiers
    print(__doc__)
    print("%s %s %s %s" % ("Classifier  ", "train-time", "test-time", "error-rate"))
    for name in names:
        print("%s %s %s %s" % (name.ljust(12), ("%.4fs" % 0).center(10), ("%.4fs" % 0).center(10), ("%.4f" % 0).center(10)))
