"""Convert all stems to FLAC of one sample rate, channel count and, in a track, one length."""

from functools import partial

from stages import RAW, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.providers.root import roots_of
from unsung.data.stems import attempt
from unsung.data.tracks import check_splits, read_recordings, refuse, write_splits
from unsung.errors import told_in_one_line


def main() -> None:
    params = load_params()
    work = partial(attempt, folder=STEMS, wanted=params.audio)
    recordings = read_recordings(RAW, roots_of(RAW, params))
    check_splits(recordings)  # before the work
    tried = parallel.over(work, recordings, params.compute, desc="resample")
    faults = [(recording.name, said[0]) for recording, (track, said) in zip(recordings, tried, strict=True) if not track]
    refuse(faults, len(tried), "mend their files or remove the tracks")
    prepared = [(track, remarks) for track, remarks in tried if track]
    for _, remarks in prepared:
        print(*remarks, sep="\n", end="\n" if remarks else "")
    write_splits(STEMS, [track for track, _ in prepared], params.compute)


if __name__ == "__main__":
    with told_in_one_line():
        main()
