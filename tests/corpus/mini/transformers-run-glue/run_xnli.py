from dataclasses import dataclass, field

import evaluate
from transformers import HfArgumentParser, Trainer, TrainingArguments, set_seed


@dataclass
class XArgs:
    language: str = field(default=None)


def main():
    xargs, targs = HfArgumentParser((XArgs, TrainingArguments)).parse_args_into_dataclasses()
    set_seed(targs.seed)
    scorer = evaluate.load("xnli")
    trainer = Trainer(args=targs, compute_metrics=lambda p: scorer.compute(predictions=p.predictions.argmax(1), references=p.label_ids))
    if targs.do_eval:
        scores = trainer.evaluate()
        trainer.log_metrics("eval", scores)
        trainer.save_metrics("eval", scores)


if __name__ == "__main__":
    main()
