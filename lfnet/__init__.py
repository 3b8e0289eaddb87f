"""lfnet: ablations for depression severity regression from facial video.

A research instrument, never a diagnosis. Importing this package imports nothing heavy: each name of the Python API is
imported from its module when it is first used.
"""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

RESEARCH_ONLY = "Research instrument, not a diagnosis: scores describe a model, not a person's health."

# Nothing is sent unless the user asks for it: libraries read these when they are imported, which lfnet does later.
TELEMETRY_OFF = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "WANDB_ERROR_REPORTING": "false",
}
os.environ.update(TELEMETRY_OFF)

# The Python API: name → "module:attribute", or "module" for a subpackage.
_API: dict[str, str] = {
    "audit_cohort": "lfnet.audit.cohort_frame:audit_cohort",
    "Run": "lfnet.runs.run:Run",
    "load": "lfnet.deploy.model:load",
    "make_table": "lfnet.cli.table:make_table",
    "open_runs": "lfnet.runs.collection:open_runs",
    "evaluate": "lfnet.evaluation.evaluator:evaluate",
    "Predictions": "lfnet.evaluation.predictions:Predictions",
    "encoders": "lfnet.encoders",
    "heads": "lfnet.heads",
    "pulse": "lfnet.pulse",
}


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'lfnet' has no attribute {name!r}")
    module, _, attribute = _API[name].partition(":")
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
