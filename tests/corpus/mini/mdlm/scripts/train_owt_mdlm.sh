#!/bin/bash
#SBATCH -J train_mdlm
#SBATCH -o watch_folder/%x_%j.out
#SBATCH -N 1
#SBATCH -t 960:00:00
#SBATCH --partition=gpu
#SBATCH --ntasks-per-node=4
#SBATCH --gres=gpu:4
#SBATCH --open-mode=append
#SBATCH --requeue
# After a preemption training goes on where checkpointing.save_dir is fixed.
srun python -u -m main loader.batch_size=16 model=small data=openwebtext-split wandb.name=mdlm-owt parameterization=subs model.length=1024
