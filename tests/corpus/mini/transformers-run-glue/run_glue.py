import logging
import os
from dataclasses import dataclass, field
from typing import Optional

import evaluate
import numpy as np
from datasets import load_dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, HfArgumentParser, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

logger = logging.getLogger(__name__)


@dataclass
class DataTrainingArguments:
    task_name: Optional[str] = field(default=None)
    max_seq_length: int = field(default=128)
    max_train_samples: Optional[int] = field(default=None)
    max_eval_samples: Optional[int] = field(default=None)


@dataclass
class ModelArguments:
    model_name_or_path: str = field(metadata={"help": "hub name or folder"})


def find_resume_point(targs):
    """A folder left by an earlier run is continued, unless told to overwrite it."""
    if not (os.path.isdir(targs.output_dir) and targs.do_train) or targs.overwrite_output_dir:
        return None
    last = get_last_checkpoint(targs.output_dir)
    if last is None and os.listdir(targs.output_dir):
        raise ValueError(f"Output directory ({targs.output_dir}) already exists and is not empty.")
    logger.info(f"Checkpoint detected, resuming training at {last}.")
    return last


def main():
    margs, dargs, targs = HfArgumentParser((ModelArguments, DataTrainingArguments, TrainingArguments)).parse_args_into_dataclasses()
    resume = find_resume_point(targs)
    set_seed(targs.seed)
    raw = load_dataset("nyu-mll/glue", dargs.task_name)
    tok = AutoTokenizer.from_pretrained(margs.model_name_or_path)
    model = AutoModelForSequenceClassification.from_pretrained(margs.model_name_or_path)
    raw = raw.map(lambda b: tok(b["sentence1"], b["sentence2"], truncation=True, max_length=dargs.max_seq_length), batched=True)
    scorer = evaluate.load("glue", dargs.task_name)

    def compute_metrics(p):
        got = scorer.compute(predictions=np.argmax(p.predictions, axis=1), references=p.label_ids)
        if len(got) > 1:
            got["combined_score"] = float(np.mean(list(got.values())))
        return got

    trainer = Trainer(model=model, args=targs, train_dataset=raw["train"], eval_dataset=raw["validation"],
                      compute_metrics=compute_metrics, tokenizer=tok)
    if targs.do_train:
        done = trainer.train(resume_from_checkpoint=targs.resume_from_checkpoint or resume)
        trainer.save_model()
        trainer.log_metrics("train", done.metrics)
        trainer.save_metrics("train", done.metrics)
    if targs.do_eval:
        logger.info("*** Evaluate ***")
        scores = trainer.evaluate()
        scores["eval_samples"] = len(raw["validation"])
        trainer.log_metrics("eval", scores)
        trainer.save_metrics("eval", scores)


if __name__ == "__main__":
    main()
