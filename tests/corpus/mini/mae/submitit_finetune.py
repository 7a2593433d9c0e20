# Sends the job to the queue and returns.
import argparse
import main_finetune as trainer
import submitit

p = argparse.ArgumentParser(parents=[trainer.get_args_parser()])
p.add_argument("--job_dir", default="")
p.add_argument("--nodes", default=2, type=int)
p.add_argument("--partition", default="learnfair")
args = p.parse_args()
executor = submitit.AutoExecutor(folder=args.job_dir or "%j")
executor.update_parameters(nodes=args.nodes, slurm_partition=args.partition, name="mae")
args.output_dir = args.job_dir
print("Submitted job_id:", executor.submit(trainer.main, args).job_id)
