"""Compare two layouts of a stem in Parquet: bytes of one length, and Arrow lists of float16.

Prints megabytes per second for each layout and compression, and the ratio to uncompressed lists.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, HALVES = 64, 2 * 513 * 345  # four seconds at 22.05 kHz mono, 1024/256


def seconds(work: Callable[[], None], times: int = 5) -> float:
    """The shortest of several runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def read_all(path: Path) -> None:
    """Read every row group, as training does one at a time."""
    file = pq.ParquetFile(path, memory_map=True)
    for group in range(ROWS):
        file.read_row_group(group, columns=["stem"])


def main() -> None:
    """Write and read both layouts."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    values = np.random.default_rng(0).standard_normal((ROWS, HALVES)).astype(np.float16)
    layouts = {
        "lists": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), HALVES),
        "bytes": pa.array([row.tobytes() for row in values], pa.binary(2 * HALVES)),
    }
    base = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, array in layouts.items():
            for compression in ("none", "lz4", "zstd"):
                path = Path(folder, f"{name}-{compression}.parquet")
                table = pa.table({"stem": array})
                pq.write_table(table, path, row_group_size=1, compression=compression, use_dictionary=False, write_statistics=False)
                speed = values.nbytes / 1e6 / seconds(lambda path=path: read_all(path))  # type: ignore[misc]
                base = base or speed
                print(f"{name:>6} {compression:>5}: {speed:7.0f} MB/s, {speed / base:4.1f} x, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
