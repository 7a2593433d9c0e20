import sys
import matplotlib.pyplot as plt
rows = [r.split("\t") for r in open(sys.argv[2])]
plt.plot([int(a) for a, _ in rows], [float(b) for _, b in rows])
plt.ylabel("CER %")
plt.savefig(sys.argv[1])
