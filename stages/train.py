"""Train the separator; a killed run goes on where it stopped."""

from stages import MODELS, RAW, SHARDS, STEMS
from stages.code import code_of
from unsung.config.params import load_params, resume_folder
from unsung.data.credits import CREDITS, read_credits
from unsung.data.shards import MANIFEST, Settings, Shards
from unsung.data.tracks import INDEX, read_index
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, scratch
from unsung.models.separator import CONFIG, WEIGHTS
from unsung.training import train


def main() -> None:
    params = load_params()
    shards, valid = Shards(SHARDS, "train", Settings.of(params)), read_index(STEMS / "valid")
    credits = read_credits(RAW / CREDITS)
    settings = params.model_dump(include={"seed", "audio", "stft", "model", "train"})
    start = [folder / name for folder in [resume_folder(params)] if folder for name in (CONFIG, WEIGHTS)]
    files = [*start, SHARDS / MANIFEST, STEMS / "valid" / INDEX, *code_of("train", params)]
    key = fingerprint([settings, params.data.shares, params.network.model_dump(), params.process.forward.model_dump()], files)
    with scratch("train", key) as folder:
        train(params, shards, valid, MODELS, folder, credits)


if __name__ == "__main__":
    with told_in_one_line():
        main()
