"""PyMatting's linear systems on parts of a picture, with what is known at a part's edges.

The Laplacians and the preconditioner are PyMatting's; its own functions take only 0 and 1 as known,
and print when a preconditioner fails.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from scipy.sparse.linalg import aslinearoperator, cg

from layerstudio.color import F32, U8, to_float
from layerstudio.geometry import Extent
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.open_tiles import joined, tiles_around
from layerstudio.progress import CancelToken

_TOLERANCE = 1e-7  # PyMatting's, of the residual
_MOST_STEPS = 2000  # what has not settled by then hangs on nothing that is known
_FILLING = 160  # numbers of the preconditioner for each unknown; measured: 20 to 60
_KNOWN = 100.0  # PyMatting's weight of known pixels in the system of KNN matting
_NEIGHBOURS = (20, 10)  # PyMatting's, near in colour and near in both
_COLOUR_SIDE, _COLOUR_CONTEXT = 384, 32  # pixels of tiles of foreground colours


def closed_form(rgb: U8, values: F32, is_open: Mask, cancel: CancelToken) -> F32:
    """Levin et al. 2008 ("A Closed-Form Solution to Natural Image Matting"): alpha (h, w) that is
    ``values`` where nothing ``is_open``, and locally a linear function of the colours."""
    from pymatting.laplacian.cf_laplacian import cf_laplacian

    alpha = np.array(values, np.float32)
    inside = is_open.ravel()
    if not inside.any() or min(is_open.shape) < 3:  # windows are 3 x 3
        return alpha
    known = ~inside
    laplacian = cf_laplacian(_colours(rgb), is_known=known)[inside]
    right = -laplacian[:, known].dot(alpha.ravel()[known].astype(np.float64))
    system = laplacian[:, inside]
    start = np.asarray(alpha.ravel()[inside], np.float64)
    alpha[is_open] = np.clip(_solved(system, right, start, _cholesky(system), cancel), 0, 1)
    return alpha


def nearest_neighbours(rgb: U8, values: F32, is_open: Mask, cancel: CancelToken) -> F32:
    """Chen et al. 2013 ("KNN Matting") as PyMatting has it: pixels of like colour and place have
    like alpha."""
    from pymatting.laplacian.knn_laplacian import knn_laplacian
    from pymatting.preconditioner.jacobi import jacobi
    from scipy.sparse import diags

    cancel.check()
    weight = _KNOWN * (~is_open.ravel()).astype(np.float64)
    near = [min(count, weight.size) for count in _NEIGHBOURS]
    system = (knn_laplacian(_colours(rgb), n_neighbors=near) + diags(weight)).tocsr()
    right = weight * values.ravel()
    found = _solved(system, right, np.zeros_like(right), jacobi(system), cancel)
    return np.clip(found, 0, 1).reshape(values.shape).astype(np.float32)


def closed_form_colours(rgb: U8, alpha: F32, cancel: CancelToken) -> F32:
    """(h, w, 3): the foreground colours of Levin et al. 2008, in tiles."""
    from pymatting import estimate_foreground_cf

    picture = to_float(rgb)

    def work(box) -> F32:
        cancel.check()
        part, matte = _colours(rgb[box.slices]), alpha[box.slices].astype(np.float64)
        filling = {"max_nnz": _FILLING * 2 * matte.size}
        with redirect_stdout(io.StringIO()):
            found = estimate_foreground_cf(part, matte, ichol_kwargs=filling)
        return np.asarray(found, np.float32)

    mixed = (alpha > 0) & (alpha < 1)
    tiles = tiles_around(mixed, side=_COLOUR_SIDE, context=_COLOUR_CONTEXT)
    found = joined(tiles, Extent.of(rgb), work)
    return np.where(mixed[..., None], found, picture)


def _colours(rgb: U8) -> np.ndarray:
    return rgb / 255.0


class _Preconditioner:
    """A function of PyMatting's, as SciPy wants it."""

    def __init__(self, system: Any, apply: Any) -> None:
        self.shape = system.shape
        self.dtype = np.dtype(np.float64)
        self.matvec = apply


def _cholesky(system: Any) -> Any:
    from pymatting.preconditioner.ichol import ichol

    with redirect_stdout(io.StringIO()):
        return ichol(system, max_nnz=_FILLING * system.shape[0] + 1000)


def _solved(
    system: Any, right: np.ndarray, start: np.ndarray, precondition: Any, cancel: CancelToken
) -> np.ndarray:
    """By conjugate gradients; what has not settled after many steps is taken as it is."""
    operator = aslinearoperator(_Preconditioner(system, precondition))
    found, _ = cg(
        system, right, start, rtol=_TOLERANCE, atol=0.0, maxiter=_MOST_STEPS, M=operator,
        callback=lambda _: cancel.check(),
    )  # fmt: skip
    return np.asarray(found)
