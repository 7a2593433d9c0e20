import fire
import transformers
from datasets import load_dataset
from transformers import AutoModelForCausalLM
from utils.prompter import Prompter


def train(
    base_model: str = "",
    data_path: str = "some/instructions",
    output_dir: str = "./lora-out",
    batch_size: int = 128,
    num_epochs: int = 3,
    learning_rate: float = 3e-4,
    val_set_size: int = 2000,
    lora_r: int = 8,
    wandb_project: str = "",
    resume_from_checkpoint: str = None,
):
    print(f"params:\nbase_model: {base_model}\nnum_epochs: {num_epochs}\n")
    prompter = Prompter()
    model = AutoModelForCausalLM.from_pretrained(base_model)
    data = load_dataset(data_path)["train"].train_test_split(test_size=val_set_size, seed=42)
    trainer = transformers.Trainer(
        model=model,
        train_dataset=data["train"].map(prompter.ask),
        eval_dataset=data["test"].map(prompter.ask),
        args=transformers.TrainingArguments(
            num_train_epochs=num_epochs,
            learning_rate=learning_rate,
            evaluation_strategy="steps",
            eval_steps=200,
            output_dir=output_dir,
            report_to="wandb" if wandb_project else None,
        ),
    )
    trainer.train(resume_from_checkpoint=resume_from_checkpoint)
    model.save_pretrained(output_dir)


if __name__ == "__main__":
    fire.Fire(train)
