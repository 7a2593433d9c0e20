import sys

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split


def eval_metrics(truth, guess):
    return np.sqrt(mean_squared_error(truth, guess)), mean_absolute_error(truth, guess), r2_score(truth, guess)


if __name__ == "__main__":
    np.random.seed(40)
    train, test = train_test_split(pd.read_csv("wine.csv"))
    train_x, test_x = train.drop(["quality"], axis=1), test.drop(["quality"], axis=1)
    train_y, test_y = train[["quality"]], test[["quality"]]
    alpha = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    with mlflow.start_run():
        model = ElasticNet(alpha=alpha, random_state=42)
        model.fit(train_x, train_y)
        (rmse, mae, r2) = eval_metrics(test_y, model.predict(test_x))
        print("ElasticNet (alpha=%f):" % alpha)
        print("  RMSE: %s" % rmse)
        print("  MAE: %s" % mae)
        print("  R2: %s" % r2)
        mlflow.log_metric("rmse", rmse)
        mlflow.sklearn.log_model(model, "model")
