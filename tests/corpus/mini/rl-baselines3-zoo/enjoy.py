from rl_zoo3.enjoy import enjoy

if __name__ == "__main__":
    enjoy()
