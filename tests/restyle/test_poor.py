import librosa
import numpy as np
import torch

from unsung.restyle.batches import disguised
from unsung.restyle.mel import Mel
from unsung.restyle.poor import CHANNELS, LOWEST, SEMITONES, levelled, poor, salience, varied

MEL = Mel(16_000, 1024, 256, 128)


def tone(pitch, amplitudes, seconds=1.0):
    t = torch.arange(round(seconds * 16_000)) / 16_000
    return sum(a * torch.sin(2 * torch.pi * librosa.midi_to_hz(pitch) * (k + 1) * t) for k, a in enumerate(amplitudes))[None]


def test_the_note_stands_out_whatever_its_timbre():
    for pitch in (52, 60, 71, 84):
        for amplitudes in ([1.0], [1.0, 0.5, 0.3], [0.3, 0.1, 0.05, 0.01]):
            found = salience(tone(pitch, amplitudes), MEL)[0, :, 20:40].mean(1)
            assert int(found.argmax()) == pitch - LOWEST


def test_features_have_the_frames_of_the_mels():
    sound = torch.randn(2, 16_000) * 0.1
    assert poor(sound, MEL).shape == (2, CHANNELS, MEL.forward(sound).shape[2])
    assert poor(torch.zeros(1, 4096), MEL).isfinite().all()


def test_an_equaliser_changes_the_mels_and_hardly_what_is_poor():
    rng = np.random.default_rng(0)
    song = sum(tone(pitch, [1.0, 0.4, 0.2]) for pitch in (48, 55, 64, 72))[0] * 0.1
    other = disguised(song, rng, 16_000)
    mine, his = (poor(x[None], MEL)[0, :SEMITONES, 5:-5] for x in (song, other))
    assert torch.nn.functional.cosine_similarity(mine.flatten(), his.flatten(), dim=0) > 0.85
    assert float((MEL.forward(song) - MEL.forward(other)).abs().mean()) > 0.4


def test_a_stroke_rises_in_the_bands_where_it_is():
    sound = torch.zeros(1, 16_000)
    sound[0, 8000:8400] = torch.sin(2 * torch.pi * 150 * torch.arange(400) / 16_000)
    rises = poor(sound, MEL)[0, SEMITONES : SEMITONES + 4]
    assert int(rises[0].argmax()) in range(28, 33) and rises[0].max() > rises[3].max()


def test_hard_and_soft_strokes_are_alike_when_levelled():
    soft = torch.rand(2, CHANNELS, 200)
    hard = soft.clone()
    hard[:, SEMITONES:] *= 5
    torch.testing.assert_close(levelled(soft), levelled(hard))
    assert levelled(torch.zeros(1, CHANNELS, 9)).eq(0).all()
    assert torch.equal(levelled(soft)[:, :SEMITONES], soft[:, :SEMITONES])


def test_variations_double_octaves_and_follow_from_their_generators():
    features = torch.zeros(1, CHANNELS, 3)
    features[0, 24], features[0, SEMITONES:] = 1, 1
    drawn = torch.cat([varied(features, [torch.Generator().manual_seed(seed)]) for seed in range(60)])
    assert torch.equal(drawn[7:8], varied(features, [torch.Generator().manual_seed(7)]))
    sounds = (drawn[:, :SEMITONES] > 0).any(2)
    assert sounds[:, 24].all() and not sounds[:, [0, 23, 25, 48]].any()
    assert 20 < sounds[:, 12].sum() < 50 and 20 < sounds[:, 36].sum() < 50
    assert ((drawn[:, 24] >= 0.3) & (drawn[:, 24] <= 1.4)).all() and drawn[:, 24].std() > 0.1
    assert ((drawn[:, SEMITONES:] >= 0.6) & (drawn[:, SEMITONES:] <= 1.2)).all()
