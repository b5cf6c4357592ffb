import numpy as np
import pytest
import soundfile
import torch

from recipes.songs.pools import Mixes, Pool, Tapes, Variety, pack, tract
from unsung.spectrum import Stft

RATE = 8000
PLAIN = Variety(coherent=0, silent=0, alone=0, speed=0, equaliser=0, width=0, mono=0, swap=0, polarity=0, dull=0, second=0)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A voice at 440 Hz, an accompaniment at 1000 Hz, a song of 300 and 2000 Hz, 3 s each."""
    root = tmp_path_factory.mktemp("pools")
    t = np.arange(3 * 2 * RATE) / (2 * RATE)
    files = {"voices/a": 440, "bands/b": 1000, "songs/c.vocals": 300, "songs/c.accompaniment": 2000}
    for name, hertz in files.items():
        path = root / "raw" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * t), 2 * RATE)
    for pool in ("voices", "bands", "songs"):
        pack(root / "raw" / pool, root / "packed" / pool, RATE)
    return root / "packed"


ALONE = (Pool("voices", "vocals"), Pool("bands", "accompaniment"))
ALL = (*ALONE, Pool("songs", "songs"))


def mixes(packed, variety, pools=ALL, seed=0):
    return Mixes(packed, pools, variety, RATE, Stft(256, 64), frames=65, seed=seed)


def hertz_of(stem):
    """Where a stem is loudest."""
    return int(stem.abs().sum((0, 2)).argmax()) * RATE / 256


def test_packed_recordings_are_what_they_were_at_another_rate(packed):
    samples = np.load(packed / "voices" / "a.npy")
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    assert samples.dtype == np.int16 and samples.shape == (3 * RATE, 2)
    assert np.abs(samples[500:-500, 0] / 32767 - expected[500:-500]).max() < 1e-3


def test_packing_again_leaves_what_is_there(packed):
    before = (packed / "voices" / "a.npy").stat().st_mtime_ns
    pack(packed.parent / "raw" / "voices", packed / "voices", RATE)
    assert (packed / "voices" / "a.npy").stat().st_mtime_ns == before


def test_a_sample_follows_from_seed_and_number(packed):
    first, again = mixes(packed, Variety()), mixes(packed, Variety())
    again[3]
    assert torch.equal(first[7]["stems"], again[7]["stems"])
    assert not torch.equal(first[7]["stems"], first[8]["stems"])
    assert not torch.equal(first[7]["stems"], mixes(packed, Variety(), seed=1)[7]["stems"])


def test_a_batch_is_its_samples(packed):
    all_of_them = mixes(packed, Variety())
    batch = all_of_them.__getitems__([4, 9])
    assert batch["stems"].shape == (2, 2, 2, 129, 65) and batch["number"].tolist() == [4, 9]
    assert torch.equal(batch["stems"][1], all_of_them[9]["stems"])


def test_a_coherent_sample_is_one_moment_of_a_song(packed):
    together = mixes(packed, Variety(**{**PLAIN.__dict__, "coherent": 1.0}))
    for number in range(5):
        voice, accompaniment = together[number]["stems"]
        assert hertz_of(voice) == pytest.approx(300, abs=20) and hertz_of(accompaniment) == pytest.approx(2000, abs=20)


def test_a_remixed_sample_has_the_ratio_that_was_drawn(packed):
    apart = mixes(packed, Variety(**{**PLAIN.__dict__, "ratio_decibels": (-6.0, 0.0)}))
    for number in range(5):
        voice, accompaniment = Stft(256, 64).inverse(apart[number]["stems"], 64 * 64)
        ratio = 10 * torch.log10(voice.square().mean() / accompaniment.square().mean())
        assert float(ratio) == pytest.approx(-6.0, abs=0.3)


def test_voices_and_accompaniments_keep_their_sides(packed):
    apart = mixes(packed, PLAIN)
    assert {round(hertz_of(apart[i]["stems"][0]), -2) for i in range(12)} == {300, 400}
    assert {round(hertz_of(apart[i]["stems"][1]), -2) for i in range(12)} == {1000, 2000}


def test_silence_and_solitude(packed):
    silent = mixes(packed, Variety(**{**PLAIN.__dict__, "silent": 1.0}))[0]["stems"]
    alone = mixes(packed, Variety(**{**PLAIN.__dict__, "alone": 1.0}))[0]["stems"]
    assert not silent[0].any() and silent[1].any()
    assert alone[0].any() and not alone[1].any()


def test_a_mono_segment_has_two_channels_alike(packed):
    found = mixes(packed, Variety(mono=1.0, equaliser=1.0))[1]["stems"]
    assert torch.equal(found[:, 0], found[:, 1])


def test_a_dull_segment_has_nothing_above(packed):
    found = mixes(packed, Variety(dull=1.0, dull_hertz=(700.0, 700.0)))[1]["stems"]
    assert found.any() and not found[..., round(700 / RATE * 256) :, :].any()


def test_speed_moves_the_pitch_and_keeps_the_length(packed):
    faster = mixes(packed, Variety(**{**PLAIN.__dict__, "speed": 1.0, "voice_semitones": (12.0, 12.0)}), ALONE)
    stems = faster[0]["stems"]
    assert stems.shape == (2, 2, 129, 65) and hertz_of(stems[0]) == pytest.approx(880, abs=20)


def test_shares_say_how_often_a_pool_is_drawn(packed):
    tapes = Tapes(packed, [Pool("voices", "vocals", 3.0), Pool("songs", "songs", 1.0)], "vocals", ["songs", "vocals"])
    rng = np.random.default_rng(0)
    names = [tapes.draw(rng, 100)[0].parent.name for _ in range(2000)]
    assert names.count("voices") / 2000 == pytest.approx(0.75, abs=0.04)


def test_another_tract_moves_the_formant_and_keeps_the_pitch():
    rate, stft, t = 22_050, Stft(2048, 512), np.arange(22_050) / 22_050
    harmonics = 200 * np.arange(1, 40)
    loud = np.exp(-0.5 * ((harmonics - 2000) / 400) ** 2) + 1e-3  # one formant at 2 kHz
    voice = sum(a * np.sin(2 * np.pi * hertz * t + hertz) for a, hertz in zip(loud, harmonics, strict=True))
    spectrum = stft.forward(torch.from_numpy(0.01 * voice[None].astype(np.float32)))
    gains = tract(spectrum.numpy(), np.log2([1.25, 1.25]))
    power = (spectrum * gains).abs().square().sum((0, 2)).numpy()
    hertz = np.arange(1025) * rate / 2048
    assert (power * hertz).sum() / power.sum() == pytest.approx(2500, rel=0.04)
    peak = hertz[power.argmax()]
    assert abs(peak - 200 * round(peak / 200)) < 12  # a harmonic of the same pitch


def test_a_second_accompaniment_plays_along(packed):
    alone, both = (
        mixes(packed, Variety(**{**PLAIN.__dict__, "band": share}), (ALONE[0], ALL[2], ALONE[1])) for share in (0.0, 1.0)
    )
    bins = [round(hertz / RATE * 256) for hertz in (1000, 2000)]
    loud = [min(made[i]["stems"][1].abs().sum((0, 2))[bins]) for made in (alone, both) for i in range(8)]
    assert max(loud[8:]) > 10 * max(loud[:8])
