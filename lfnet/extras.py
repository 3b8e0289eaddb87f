"""Optional dependencies: the modules that each extra of lfnet installs, and the message where one is missing."""

from collections.abc import Iterable
from importlib.util import find_spec

from lfnet.errors import LfnetError

__all__ = ["EXTRAS", "explain_import", "require", "require_package"]

# Extra → the modules that lfnet imports and that the core lacks; xgboost is of xgboost-cpu on Linux.
EXTRAS: dict[str, tuple[str, ...]] = {
    "video": ("av", "cv2", "mediapipe", "ai_edge_litert", "PIL", "onnx", "timm", "neurokit2"),
    "lightfusion": ("lightgbm", "xgboost", "skops", "neurokit2"),
    "audio": ("opensmile",),
    "deploy": ("onnx", "onnxscript"),
    "wandb": ("wandb", "wandb_workspaces"),
    "excel": ("openpyxl",),
    "tune": ("optuna",),
    "fast": ("numba", "llvmlite"),
    "slurm": ("submitit",),
    "dask": ("distributed", "dask", "dask_jobqueue"),
    "ray": ("ray",),
}


def require(extra: str, *modules: str, use: str, otherwise: str = "") -> None:
    """Check that modules of an extra are installed; nothing is imported.

    Parameters
    ----------
    extra : str
        Name of the extra.
    *modules : str
        Its modules that are needed; all of them by default.
    use : str
        The setting or command that needs them, for the message.
    otherwise : str
        What to do without the extra, for the message.

    Raises
    ------
    LfnetError
        A module is missing: one line with the command that installs the extra.

    Examples
    --------
    >>> require("excel", "json", use="labels.xlsx")
    >>> require("excel", "no_such_module", use="labels.xlsx", otherwise="save it as CSV UTF-8")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: labels.xlsx needs the extra excel (no_such_module is not installed): \
pip install 'lfnet[excel]', or save it as CSV UTF-8.
    """
    missing = [module for module in modules or EXTRAS[extra] if find_spec(module) is None]
    if missing:
        raise LfnetError(_message(extra, missing, use, otherwise))


def require_package(module: str, *, use: str, otherwise: str) -> None:
    """Check that a package which is no extra of lfnet is installed. Raises `LfnetError` as `require` does."""
    if find_spec(module) is None:
        raise LfnetError(f"{use}: {module} is not installed: pip install {module}, or {otherwise}.")


def explain_import(error: BaseException, use: str) -> str | None:
    """Explain a failed import of an extra's module, as `require` does; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    return None if extra is None else _message(extra, [module], use)


def _message(extra: str, missing: Iterable[str], use: str, otherwise: str = "") -> str:
    missing = list(missing)
    verb = "is" if len(missing) == 1 else "are"
    alternative = f", or {otherwise}" if otherwise else ""
    return (
        f"{use} needs the extra {extra} ({', '.join(missing)} {verb} not installed): "
        f"pip install 'lfnet[{extra}]'{alternative}."
    )
