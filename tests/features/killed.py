"""An extraction of two streams to be killed: `python -m tests.features.killed MEDIA CACHE [CLIP]`.

MEDIA: folder of aligned clips. Each batch takes a moment, so that a kill falls into the work. With CLIP, the process
kills itself when it has written that clip's file of the first stream, and half of the second's.
"""

import os
import signal
import sys
import time
from pathlib import Path

from lfnet.features import feature_file
from lfnet.features.extract import extract
from tests.features.fakes import Brightness, Loudest, cohort_of


class Slow(Brightness):
    """Brightness, at leisure."""

    def encode(self, faces):
        time.sleep(0.02)
        return super().encode(faces)


def main(media: Path, cache: Path, fatal: str | None = None) -> None:
    save = feature_file.save_file
    encoders = [Slow(), Loudest()]

    def half(tensors, path, metadata):
        save(tensors, path, metadata=metadata)
        if fatal is not None and f".{fatal}." in Path(path).name and "loudest" in str(path):
            os.truncate(path, Path(path).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    feature_file.save_file = half
    print("begun", flush=True)
    extract(cohort_of({path.stem: path for path in media.iterdir()}), encoders, cache=cache, batch_size=4)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
