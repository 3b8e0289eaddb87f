"""Read what a W&B run sends: the content of its .wandb file."""

from pathlib import Path

__all__ = ["read_wandb"]

_BLOCK = 32768
_HEADER = 7  # of the file, and of each record: checksum (4 bytes), length (2), type (1)


def read_wandb(path: Path) -> bytes:
    """Return the joined records of a .wandb file, without the headers that split a text at the end of a block."""
    data, content, place = path.read_bytes(), b"", _HEADER
    while place + _HEADER <= len(data):
        if (left := _BLOCK - place % _BLOCK) < _HEADER:
            place += left
            continue
        length = int.from_bytes(data[place + 4 : place + 6], "little")
        content += data[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
    return content
