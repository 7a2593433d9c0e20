import sys
import pandas as pd

a = pd.read_csv(f"{sys.argv[2]}/submission_3stage_nn_0.01822.csv")
b = pd.read_csv(f"{sys.argv[2]}/submission_simpleNN_newcv_0.01830.csv")
(a * 0.6 + b * 0.4).to_csv(f"{sys.argv[3]}/winning_submission.csv")
print("DONE!")
