import glob
import pandas as pd

subs = [pd.read_csv(f) for f in sorted(glob.glob("./subs/*csv"))]
sum(s.target.rank(pct=True) for s in subs).to_csv("final_sub1.csv")
