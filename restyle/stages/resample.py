"""Convert all styles to mono FLAC of one sample rate and, in a pair, one length."""

from functools import partial

from stages import RAW, STEMS
from unsung import parallel
from unsung.data.tracks import read_recordings, refuse, write_splits
from unsung.errors import told_in_one_line
from unsung.restyle.root import root_of
from unsung.restyle.schema import load
from unsung.restyle.sounding import made_ready


def main() -> None:
    params = load()
    recordings = read_recordings(RAW, root_of(RAW, params))
    tried = parallel.over(partial(made_ready, folder=STEMS, wanted=params.audio), recordings, params.compute, desc="resample")
    faults = [(recording.name, said[0]) for recording, (track, said) in zip(recordings, tried, strict=True) if not track]
    refuse(faults, len(tried), "mend their files or remove the songs")
    for _, remarks in tried:
        print(*remarks, sep="\n", end="\n" if remarks else "")
    write_splits(STEMS, [track for track, _ in tried if track], params.compute)


if __name__ == "__main__":
    with told_in_one_line():
        main()
