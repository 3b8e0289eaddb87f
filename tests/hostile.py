"""Settings that run code where they are instantiated, for tests that files from other people do not run code."""

import pickle
from pathlib import Path
from typing import Any

__all__ = ["PAYLOADS", "Payload", "payload"]

PAYLOADS = (
    "builtins.exec",
    "joblib.load",
    "lfnet.weights.sources._run",
    "numpy.load",
    "os.system",
    "pandas.read_pickle",
    "pathlib.Path.write_text",
    "subprocess.run",
    "torch.load",
    "urllib.request.urlretrieve",
)


class Payload:
    """An object whose unpickling makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def payload(target: str, folder: Path) -> tuple[dict[str, Any], Path]:
    """A node of settings that makes a file when it is instantiated, and that file."""
    marker, pickled = folder / "EXECUTED", folder / "payload.pkl"
    pickled.write_bytes(pickle.dumps(Payload(marker)))
    settings: dict[str, Any] = {
        "builtins.exec": {"_args_": [f"open({str(marker)!r}, 'w').close()"]},
        "joblib.load": {"filename": str(pickled)},
        "lfnet.weights.sources._run": {"client": "x", "command": ["touch", str(marker)], "folder": str(folder)},
        "numpy.load": {"file": str(pickled), "allow_pickle": True},
        "os.system": {"command": f"touch {marker}"},
        "pandas.read_pickle": {"filepath_or_buffer": str(pickled)},
        "pathlib.Path.write_text": {"_args_": [{"_target_": "pathlib.Path", "_args_": [str(marker)]}, "x"]},
        "subprocess.run": {"args": ["touch", str(marker)]},
        "torch.load": {"f": str(pickled), "weights_only": False},
        "urllib.request.urlretrieve": {"url": pickled.as_uri(), "filename": str(marker)},
    }[target]
    return {"_target_": target, **settings}, marker
