"""Train the vocoder on the true log-mels of the target style; a killed run goes on."""

from stages import PIPELINE, SHARDS, VOCODER
from stages.code import code_of
from unsung.data.shards import MANIFEST, Shards
from unsung.errors import told_in_one_line
from unsung.files import atomically, fingerprint, scratch
from unsung.restyle.batches import mel_of, shard_settings, true_pairs
from unsung.restyle.schema import load
from unsung.restyle.vocoder.network import begin
from unsung.restyle.vocoder.training import train


def main() -> None:
    params = load()
    shards = Shards(SHARDS, "train", shard_settings(params))
    vocoder = begin(mel_of(params), params.vocoder.network, params.seed)
    settings = [params.vocoder.network.model_dump(), params.vocoder.training.model_dump(), params.mel.model_dump()]
    known = [*settings, params.audio.sample_rate, params.seed, params.data.target]
    with scratch("restyle-vocoder", fingerprint(known, [SHARDS / MANIFEST, *code_of("vocoder", PIPELINE)])) as folder:
        train(vocoder, true_pairs(shards, params), params.vocoder.training, params.seed, folder)
        with atomically(VOCODER) as partial:
            vocoder.save(partial)


if __name__ == "__main__":
    with told_in_one_line():
        main()
