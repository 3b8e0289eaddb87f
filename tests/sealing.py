"""Change files of a run folder or bundle as a forger would: with right digests."""

import json
from pathlib import Path
from typing import Any

from lfnet.runs.run import digest_files
from lfnet.seals import BLANK, SEAL, seal, write_sealed_json


def reseal(folder: Path, **changes: Any) -> None:
    """Write the digests of a run folder's files into its result.json, and other changes of it."""
    path = folder / "result.json"
    write_sealed_json(path, {**json.loads(path.read_text()), **changes, "files": digest_files(folder)})


def forge(path: Path) -> None:
    """Give a damaged JSON file the right digest, and those of a run folder's files, as far as it is still JSON."""
    try:
        content = json.loads(path.read_bytes())
        if path.name == "result.json" and isinstance(content.get("files"), dict):
            content["files"] |= digest_files(path.parent)
        path.write_bytes(seal(json.dumps({**content, SEAL: BLANK}).encode()))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        pass  # its reader is to say what is wrong
