"""Kernels compiled by Numba (`pip install 'lfnet[fast]'`): softmax and dropout of attention weights in one pass.

`lfnet.heads.cpu.softmax` has the same in tensor operations, and imports this module where Numba is installed. The
machine code is compiled once, which takes 2 s, and kept where Numba keeps it: in `__pycache__` next to this file, or
else in the user's cache folder.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import binding

__all__ = ["backward_16", "backward_32", "forward_16", "forward_32"]

# A sum in another order lets a row be added sixteen elements at a time. NaN and infinity keep their meaning: training
# that diverges must end in NaN.
_OPTIONS: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "error_model": "numpy"}
_F, _I, _H, _U = np.float32, np.int32, np.int16, np.uint64
_LOG2E = _F(1.4426950408889634)
_MIN = _F(-126.0)  # below, a power of two is no normal number: zero
# 2^x = 1 + x (C1 + x (C2 + …)) to float32's rounding for |x| ≤ 1/2 (minimax, as in Cephes' exp2f)
_C1, _C2, _C3 = _F(6.931472028550421e-1), _F(2.402264791363012e-1), _F(5.550332471162809e-2)
_C4, _C5, _C6 = _F(9.618437357674640e-3), _F(1.339887440266574e-3), _F(1.535336188319500e-4)


def _compile(signature: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile for one signature at once, or load what was compiled before."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        # A name of its own for each version and processor. By Numba's own names, machines that share a folder and start
        # at the same moment could load each other's code.
        own = (Path(__file__).read_bytes(), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
        function.__qualname__ += f"_{hashlib.sha256(repr(own).encode()).hexdigest()[:16]}"
        try:
            return numba.njit(signature, cache=True, **_OPTIONS)(function)
        except Exception:  # no folder that can be written, a full disk, a damaged file: only time is lost
            return numba.njit(signature, **_OPTIONS)(function)

    return decorate


@numba.njit(**_OPTIONS)
def _draw(state, out, first, last):  # type: ignore[no-untyped-def]
    """Write the next numbers of NumPy's SFC64 to out[first:last]; its state is a, b, c and a counter."""
    a, b, c, counter = state[0], state[1], state[2], state[3]
    for i in range(first, last):
        out[i] = a + b + counter
        counter += _U(1)
        a = b ^ (b >> _U(11))
        b = c + (c << _U(3))
        c = ((c << _U(24)) | (c >> _U(40))) + out[i]
    state[0], state[1], state[2], state[3] = a, b, c, counter


@numba.njit(**_OPTIONS)
def _exponentials(row, bits, out, powers, power_bits):  # type: ignore[no-untyped-def]
    """Write exp(x - max x) of the numbers of `row` to `out` and return their sum; `bits` is the row read as integers.

    exp(x) = 2^n 2^f with a whole n, whose bits are the exponent of a float, and |f| ≤ 1/2.
    """
    largest = _I(
        -(2**31)
    )  # floats compare as integers once the negative ones are turned round; that is ten times as fast
    for j in range(row.size):
        turned = bits[j] ^ ((bits[j] >> _I(31)) & _I(0x7FFFFFFF))
        largest = max(largest, turned)
    power_bits[0] = largest ^ ((largest >> _I(31)) & _I(0x7FFFFFFF))
    top = powers[0]
    for j in range(row.size):
        x = (row[j] - top) * _LOG2E
        near = x if x > _MIN else _MIN
        n = np.floor(near + _F(0.5))
        f = near - n
        y = _F(1) + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * _C6)))))
        y = _F(0) if x < _MIN else y
        out[j] = x if x != x else y  # NaN stays
        power_bits[j] = (_I(n) + _I(127)) << _I(23)
    total = _F(0)
    for j in range(row.size):
        out[j] *= powers[j]
        total += out[j]
    return total


@numba.njit(**_OPTIONS)
def _rounded(bits):  # type: ignore[no-untyped-def]
    """Return the upper 16 bits of a float32, rounded to the nearest even bfloat16."""
    return _H((bits + _I(0x7FFF) + ((bits >> _I(16)) & _I(1))) >> _I(16))


@_compile("void(float32[:,::1], float32[:,::1], uint64[::1], int16)")
def forward_32(scores, marked, state, threshold):  # type: ignore[no-untyped-def]
    """Replace scores [rows, T] by minus the weights that are kept, zeros for the others.

    marked: gets the weights, those that are kept negated. state: of the SFC64 whose numbers, 16 bits a weight, are
    compared with `threshold`.
    """
    rows, T = scores.shape
    weight, power_bits = np.empty(T, _F), np.empty(T, _I)
    numbers, used = np.zeros(T // 4 + 2, _U), 0
    lanes = numbers.view(_H)
    for r in range(rows):
        skip = (r * T) % 4  # lanes of the last number that the row before used
        numbers[0] = numbers[used]
        used = (skip + T - 1) // 4
        _draw(state, numbers, 1 if skip else 0, used + 1)
        row, out, lane = scores[r], marked[r], lanes[skip : skip + T]
        scale = _F(1) / _exponentials(row, row.view(_I), weight, power_bits.view(_F), power_bits)
        for j in range(T):
            w = weight[j] * scale
            keep = lane[j] >= threshold
            out[j] = -w if keep else w
            row[j] = -w if keep else _F(0)


@_compile("void(float32[:,::1], float32[:,::1], float32[:,::1])")
def backward_32(marked, grad, minus_kept):  # type: ignore[no-untyped-def]
    """Replace the gradient of the weights [rows, T] by that of the scores; `minus_kept` is as in the forward pass."""
    rows, T = marked.shape
    for r in range(rows):
        p, g, out = marked[r], grad[r], minus_kept[r]
        total = _F(0)
        for j in range(T):
            out[j] = p[j] if p[j] < _F(0) else _F(0)
            total -= out[j] * g[j]
        for j in range(T):
            g[j] = abs(p[j]) * ((g[j] if p[j] < _F(0) else _F(0)) - total)


@_compile("void(int16[:,::1], int16[:,::1], uint64[::1], int16)")
def forward_16(scores, marked, state, threshold):  # type: ignore[no-untyped-def]
    """`forward_32` for bfloat16, given by its bits; computed in float32."""
    rows, T = scores.shape
    row, weight, power_bits = np.empty(T, _F), np.empty(T, _F), np.empty(T, _I)
    bits, weight_bits = row.view(_I), weight.view(_I)
    numbers, used = np.zeros(T // 4 + 2, _U), 0
    lanes = numbers.view(_H)
    for r in range(rows):
        skip = (r * T) % 4
        numbers[0] = numbers[used]
        used = (skip + T - 1) // 4
        _draw(state, numbers, 1 if skip else 0, used + 1)
        lane = lanes[skip : skip + T]
        for j in range(T):
            bits[j] = _I(scores[r, j]) << _I(16)
        scale = _F(1) / _exponentials(row, bits, weight, power_bits.view(_F), power_bits)
        for j in range(T):
            weight[j] *= scale
        for j in range(T):
            w = _rounded(weight_bits[j])
            minus = _H(w | _H(-0x8000))
            keep = lane[j] >= threshold
            marked[r, j] = minus if keep else w
            scores[r, j] = minus if keep else _H(0)


@_compile("void(int16[:,::1], int16[:,::1], int16[:,::1])")
def backward_16(marked, grad, minus_kept):  # type: ignore[no-untyped-def]
    """`backward_32` for bfloat16, given by its bits; computed in float32."""
    rows, T = marked.shape
    p, g = np.empty(T, _F), np.empty(T, _F)
    p_bits, g_bits = p.view(_I), g.view(_I)
    for r in range(rows):
        for j in range(T):
            bits = marked[r, j]
            keep = bits < _H(0)
            minus_kept[r, j] = bits if keep else _H(0)
            p_bits[j] = _I(bits & _H(0x7FFF)) << _I(16)
            g_bits[j] = _I(grad[r, j]) << _I(16) if keep else _I(0)
        total = _F(0)
        for j in range(T):
            total += p[j] * g[j]
        for j in range(T):
            g[j] = p[j] * (g[j] - total)
        for j in range(T):
            grad[r, j] = _rounded(g_bits[j])
