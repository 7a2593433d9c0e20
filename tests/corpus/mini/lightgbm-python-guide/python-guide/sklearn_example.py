from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV

home = Path(__file__).absolute().parents[1] / "regression"
train, test = (pd.read_csv(home / f"regression.{part}", header=None, sep="\t") for part in ("train", "test"))
X, y, X_test, y_test = train.drop(0, axis=1), train[0], test.drop(0, axis=1), test[0]
gbm = lgb.LGBMRegressor(n_estimators=20, num_leaves=31, learning_rate=0.05)
gbm.fit(X, y, eval_set=[(X_test, y_test)], eval_metric="l1", callbacks=[lgb.early_stopping(5)])
print(f"The RMSE of prediction is: {mean_squared_error(y_test, gbm.predict(X_test)) ** 0.5}")
print(f"Feature importances: {list(gbm.feature_importances_)}")


def rmsle(y_true, y_pred):
    return "RMSLE", np.sqrt(np.mean((np.log1p(y_pred) - np.log1p(y_true)) ** 2)), False


print(f"The RMSLE of prediction is: {rmsle(y_test, gbm.predict(X_test))[1]}")
search = GridSearchCV(lgb.LGBMRegressor(num_leaves=31), {"learning_rate": [0.01, 0.1, 1]}, cv=3).fit(X, y)
print(f"Best parameters found by grid search are: {search.best_params_}")
