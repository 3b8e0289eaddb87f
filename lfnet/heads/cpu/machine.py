"""Use of a CPU's memory and matrix units: chunks that fit the cache, memory kept between steps, full-width products.

None of it changes a result beyond rounding. Measured on two cores of an AMD EPYC with AVX-512 (`make bench`): matrix
products take half the time, and the 6 to 18 % of a step that the operating system took are saved.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["fast_cpu", "map_chunks", "products_are_exact"]

_CHUNK = 8  # windows that `map_chunks` takes at a time
_TRIM, _MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_KEPT = 1 << 30  # bytes of free memory that stay with the process
_BLOCK = 32 << 20  # the largest threshold that glibc accepts
_SHAPES = ((2048, 512, 128), (256, 128, 384), (512, 512, 512))  # rows, inner, columns of the products of heads
# Share of Σ |a b|: float32's error stays below it for some thousand summands, bfloat16's lies far above.
_TOLERANCE = 2.0**-17


def map_chunks(function: Callable[[Tensor, Tensor], Tensor], x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Return `function(x, mask)`, which must treat windows one by one, computed on a few windows at a time.

    On a CPU a chunk stays in the cache, and no block is so large that the C library returns it to the system after each
    use: with glibc 32 MiB, the size of 32 windows of 512 × 512, cost 15 ms of page faults a copy.
    """
    if x_BTD.device.type != "cpu" or torch.compiler.is_compiling():
        return function(x_BTD, mask_BT)
    chunks = zip(x_BTD.split(_CHUNK), mask_BT.split(_CHUNK), strict=True)
    return torch.cat([function(x, mask) for x, mask in chunks])


@contextmanager
def fast_cpu() -> Iterator[None]:
    """Keep freed memory in the process, leave new memory as it is, and multiply by oneDNN where that is exact.

    Under `deterministic=True` PyTorch fills new tensors with NaN, so that a program that reads them before it writes
    them is found out. lfnet's programs do not, which tests show with the filling on; it cost a third of a short job.

    PyTorch multiplies float32 matrices by MKL, which leaves half of an AMD processor's width unused; oneDNN does not.
    PyTorch hands float32 products to oneDNN only under a setting that also permits bfloat16. On a processor whose
    bfloat16 products are no faster than its float32 products (all without AMX, so far) oneDNN stays exact under it; a
    trial product checks that, and the setting is restored where it does not hold.
    """
    _keep_memory()
    mkldnn: Any = torch.backends.mkldnn  # typed as a module without its settings
    memory: Any = torch.utils.deterministic
    filled, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False
    products = mkldnn.matmul
    before = products.fp32_precision
    if before == "none" and mkldnn.is_available():
        products.fp32_precision = "bf16"
        if not products_are_exact():
            products.fp32_precision = before
    try:
        yield
    finally:
        products.fp32_precision = before
        memory.fill_uninitialized_memory = filled


def products_are_exact() -> bool:
    """Try on the CPU whether products of float32 matrices have float32's precision now."""
    for rows, inner, columns in _SHAPES:
        random = torch.Generator().manual_seed(rows)
        a, b = (torch.rand(*shape, generator=random) + 0.5 for shape in ((rows, inner), (inner, columns)))
        error = (a @ b).double() - a.double() @ b.double()
        if float(error.abs().max()) > _TOLERANCE * float((a.abs() @ b.abs()).max()):
            return False
    return True


def _keep_memory() -> None:
    """Raise glibc's thresholds: else it returns large freed blocks to the system and gets them back page by page."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    mallopt(_TRIM, _KEPT)
    mallopt(_MMAP, _BLOCK)
