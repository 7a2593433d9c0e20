import fire


def main(load_8bit: bool = False, base_model: str = ""):
    print("serving")


fire.Fire(main)
