from train import parse_args

args = parse_args()
print("writing ./subs/sub_%s.csv" % args.kernel_type)
