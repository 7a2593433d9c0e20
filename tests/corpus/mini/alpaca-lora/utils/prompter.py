class Prompter:
    def ask(self, row):
        return {"text": row["instruction"]}
