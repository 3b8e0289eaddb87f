"""How a job uses the machine: memory that is kept between steps, and float32 products at full width.

None of it changes a result beyond rounding. Measured on two cores of an AMD EPYC with AVX-512 (`make bench`): matrix
products take half the time, and the system's share of a step (6 to 18 %) goes.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["exact", "machine"]

_TRIM, _MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_KEPT = 1 << 30  # bytes of free memory that stay with the process
_BLOCK = 32 << 20  # the largest threshold that glibc takes
_SHAPES = ((2048, 512, 128), (256, 128, 384), (512, 512, 512))  # what heads multiply
_LEAST = (
    2.0**-17
)  # an error of this share of Σ |a b| is below float32's for some thousand summands, far below bfloat16's


@contextmanager
def machine() -> Iterator[None]:
    """Keep freed memory, and multiply by oneDNN where that is exact, while this lasts.

    PyTorch multiplies float32 matrices by MKL, which leaves half of an AMD processor's width unused; oneDNN does not.
    PyTorch hands float32 products to it only when told that bfloat16 would do. Where the processor has no faster way
    for bfloat16 than for float32 products of float32 numbers (all without AMX, so far), oneDNN stays exact
    nevertheless; this is tried before it is relied on, and the setting taken back where it does not hold.
    """
    _keep_memory()
    mkldnn: Any = torch.backends.mkldnn  # typed as a module without its settings
    products = mkldnn.matmul
    before = products.fp32_precision
    if before == "none" and mkldnn.is_available():
        products.fp32_precision = "bf16"
        if not exact():
            products.fp32_precision = before
    try:
        yield
    finally:
        products.fp32_precision = before


def exact() -> bool:
    """Whether matrix products of float32 numbers are float32's now, by trial on the CPU."""
    for rows, inner, columns in _SHAPES:
        random = torch.Generator().manual_seed(rows)
        a, b = (torch.rand(*shape, generator=random) + 0.5 for shape in ((rows, inner), (inner, columns)))
        error = (a @ b).double() - a.double() @ b.double()
        if float(error.abs().max()) > _LEAST * float((a.abs() @ b.abs()).max()):
            return False
    return True


def _keep_memory() -> None:
    """glibc hands large freed blocks back to the system at once, and gets them back page by page in every step."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    mallopt(_TRIM, _KEPT)
    mallopt(_MMAP, _BLOCK)
