from pathlib import Path


def get_token():
    return Path.home().joinpath(".cache/huggingface/token").read_text()
