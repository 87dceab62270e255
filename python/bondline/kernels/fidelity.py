"""The fidelity kernel: overlaps of the states of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bondline.compiling.arguments import plain
from bondline.errors import InputError, UnsupportedError
from bondline.kernels.data import as_rows
from bondline.kernels.encoded_set import EncodedSet
from bondline.kernels.fingerprint import digest
from bondline.kernels.gradient import Differentiable, in_containers
from bondline.kernels.kernel import MapKernel
from bondline.kernels.side import Side, encoded_set
from bondline.kernels.tiles import memory_budget, overlap_matrix
from bondline.kernels.tracing import is_differentiated, traced_matrix


class FidelityKernel(MapKernel):
    r"""The kernel :math:`K_{ij} = |\langle\psi(x_i)|\psi(y_j)\rangle|^2` of a feature map.

    Parameters
    ----------
    feature_map : callable
        A plain quantum function of one row of features, an array of one axis. It queues gates,
        measures nothing and returns nothing. Further arguments are trainable parameters.
    wires : int or sequence of hashable
        All wires of the map, in the order of the chain.
    params : object, optional
        Trainable parameters: one argument of the map, or a tuple of several.
    entanglers : bool, default True
        False leaves gates on two and more wires out of the map: all states are products.
    **settings
        Fields of :class:`bondline.MpsConfig`, as the device takes them.

    Raises
    ------
    InputError, TypeError
        If an argument makes no sense or a setting is unknown.

    Notes
    -----
    Every row is evolved once: n + m circuits and n·m overlaps of O(wires · bond³). The map runs
    once, with stand-ins that record what follows from the features, and not once for each row.

    Examples
    --------
    >>> import pennylane as qml
    >>> def feature_map(x):
    ...     for wire in range(2):
    ...         qml.RY(x[wire], wires=wire)
    ...     qml.CNOT([0, 1])
    >>> kernel = FidelityKernel(feature_map, 2)
    >>> kernel.matrix([[0.0, 0.0], [np.pi / 2, 0.0]]).round(9)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    def __init__(
        self,
        feature_map: Callable[..., Any],
        wires: Any,
        *,
        params: Any = None,
        entanglers: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(
            feature_map, wires, params=params, entanglers=entanglers, settings=settings
        )

    def prepare(self, X: Any, *, params: Any = None) -> EncodedSet:
        """Return the states of rows, to be used in several matrices.

        Parameters
        ----------
        X : array_like, shape (n, features)
        params : object, optional
            In place of the kernel's own.

        Returns
        -------
        EncodedSet

        Raises
        ------
        InputError
            If data are not finite or empty, or the feature map does what it may not.
        ResourceError
            If the states do not fit ``memory_limit``; :meth:`matrix` of the rows needs less.
        """
        rows = as_rows(X, "X")
        budget = memory_budget((0, 0), self.config.memory_limit)
        return encoded_set(self._encoder, rows, self._given(params, "An encoded set"), budget)

    def log_matrix(
        self, X: Any, Y: Any = None, *, params: Any = None, **run: Any
    ) -> NDArray[np.float64]:
        """Return natural logarithms of the kernel matrix, which never underflow.

        Parameters
        ----------
        X, Y : array_like of shape (n, features), or EncodedSet
            ``Y`` defaults to ``X``.
        params : object, optional
            In place of the kernel's own.
        **run
            ``checkpoint``, ``executor`` and ``progress`` of long runs; see
            :func:`bondline.kernels.tiles.overlap_tiles`.

        Returns
        -------
        ndarray of float64, shape (n, m)
            -inf for orthogonal states.

        Raises
        ------
        InputError
            If data are not finite, empty or of different widths, the feature map does what it may
            not, or an encoded set belongs to another feature map or other settings.
        """
        X, Y = self._pair(X, Y)
        unknown = sorted(set(run) - {"checkpoint", "executor", "progress"})
        if unknown:
            raise TypeError(
                f"matrix takes X, Y, params, checkpoint, executor and progress, not {unknown}."
            )
        other = X if Y is None else Y
        budget = memory_budget((len(X), len(other)), self.config.memory_limit)
        given = self._given(params, "log_matrix")
        if other is X:
            return self._overlaps(self._side(X, given, budget), None, run)
        bra, ket = (self._side(rows, given, budget // 2) for rows in (X, other))
        ket.require_overlaps(bra)
        return self._overlaps(bra, ket, run)

    def matrix(
        self, X: Any, Y: Any = None, *, params: Any = None, **run: Any
    ) -> NDArray[np.float64]:
        """Return the kernel matrix.

        Parameters
        ----------
        X, Y : array_like of shape (n, features), or EncodedSet
            ``Y`` defaults to ``X``; the result is then symmetric with ones on its diagonal.
        params : object, optional
            In place of the kernel's own.
        **run
            ``checkpoint``, ``executor`` and ``progress`` of long runs; see
            :func:`bondline.kernels.tiles.overlap_tiles`.

        Returns
        -------
        ndarray of float64, shape (n, m), values in [0, 1]

        Notes
        -----
        Values below 1e-308 underflow to zero; :meth:`log_matrix` has them.

        Inside of a function that autograd, torch or JAX differentiates by the parameters, it
        returns an array of theirs; see :meth:`vjp`.
        """
        if is_differentiated(self._chosen(params)):
            return cast(
                "NDArray[np.float64]", traced_matrix(self._differentiable(X, Y, params, run))
            )
        found = self.log_matrix(X, Y, params=params, **run)
        return np.exp(found, out=found)  # a matrix may be what fills the memory

    def vjp(
        self, X: Any, cotangents: Any, Y: Any = None, *, params: Any = None
    ) -> tuple[NDArray[np.float64], Any]:
        r"""Return the kernel matrix, and the derivative of a function of it by the parameters.

        Parameters
        ----------
        X : array_like, shape (n, features)
        cotangents : array_like of shape (n, m), or callable
            The derivatives :math:`c_{ij}` of the function by the entries of the matrix; or what
            computes them from the matrix.
        Y : array_like, shape (m, features), optional
            ``X`` by default: then both sides of an entry move with the parameters.
        params : object, optional
            In place of the kernel's own.

        Returns
        -------
        matrix : ndarray of float64, shape (n, m)
        gradient : object
            :math:`\sum_{ij} c_{ij}\,\partial K_{ij}` by each parameter, in the containers of
            ``params``; None for what is no real number.

        Raises
        ------
        UnsupportedError
            If the map is not recorded once, see :attr:`EncodingReport.encoding`.
        ResourceError
            If the states of all rows do not fit ``memory_limit``.

        Notes
        -----
        Always in double precision, and of one program: states are not re-canonicalised on the way,
        so that where much is truncated the matrix differs from that of :meth:`matrix`.

        Examples
        --------
        >>> import pennylane as qml
        >>> kernel = FidelityKernel(lambda x, w: qml.RY(w * x[0], 0), 1)
        >>> matrix, gradient = kernel.vjp([[0.0], [1.0]], np.ones((2, 2)), params=0.5)
        >>> matrix.round(6)[0, 1], gradient.round(6)
        (np.float64(0.938791), np.float64(-0.479426))
        """
        chosen = self._given(params, "vjp")
        found = self._differentiable(X, Y, chosen, {})
        numbers = [np.asarray(plain(number)) for number in found.numbers()]
        matrix = found.matrix(numbers)
        weights = np.asarray(cotangents(matrix.copy()) if callable(cotangents) else cotangents)
        if weights.shape != matrix.shape or weights.dtype.kind not in "fiu":
            raise InputError(
                f"cotangents must be real numbers of shape {matrix.shape}, one for each entry of "
                f"the matrix, got {weights.dtype} of shape {weights.shape}."
            )
        if not np.isfinite(weights).all():
            raise InputError("cotangents has entries that are not finite.")
        if not numbers:
            raise InputError(
                "The feature map has no trainable parameters here: give params that hold real "
                "numbers."
            )
        gradient = in_containers(chosen, found.pull(numbers, weights))
        single = not isinstance(self.params if params is None else params, tuple)
        return matrix, gradient[0] if single and gradient else gradient

    def _differentiable(self, X: Any, Y: Any, params: Any, run: dict[str, Any]) -> Differentiable:
        if run:
            raise UnsupportedError(
                f"{', '.join(sorted(run))}: a kernel matrix that is differentiated is computed at "
                "once, in this process. Leave these arguments out."
            )
        if isinstance(X, EncodedSet) or isinstance(Y, EncodedSet):
            raise UnsupportedError(
                "The states of an encoded set do not depend on parameters any more. Differentiate "
                "the matrix of the rows themselves."
            )
        rows, others = self._pair(X, Y)
        shape = len(rows), len(rows if others is None else others)
        budget = memory_budget(shape, self.config.memory_limit)
        return Differentiable(self._encoder, rows, others, self._chosen(params), budget)

    def _pair(self, X: Any, Y: Any) -> tuple[Any, Any]:
        """Return the rows of both sides; None for a second one that is the first."""
        features = None
        if not isinstance(X, EncodedSet):
            X = as_rows(X, "X")
            features = X.shape[1]
        if Y is not None and Y is not X and not isinstance(Y, EncodedSet):
            Y = as_rows(Y, "Y", features)
            if not isinstance(X, EncodedSet) and np.array_equal(X, Y):
                Y = None
        return X, None if Y is X else Y

    def __call__(self, X: Any, Y: Any = None) -> NDArray[np.float64]:
        """Return the kernel matrix, as scikit-learn calls kernels."""
        return self.matrix(X, Y)

    def _side(self, given: Any, params: tuple[Any, ...], budget: int) -> Side:
        if not isinstance(given, EncodedSet):
            return Side.of_rows(self._encoder, given, params, budget)
        # The circuit of any row has the fingerprint; few sets are given, and a row takes no time.
        row = np.random.default_rng(0).uniform(0.1, 0.9, (1, given.mark.features))
        try:
            mark = self._encoder.maker.circuits(row, params).mark
        except InputError:  # a map that refuses such a row: nothing to compare with
            mark = given.mark
        given.require_like(mark, "this kernel")
        return Side.of_set(given)

    def _overlaps(self, bra: Side, ket: Side | None, run: dict[str, Any]) -> NDArray[np.float64]:
        identity = {
            "feature map and settings": bra.mark.digest(),
            "data set": digest(*[side.data for side in (bra, ket) if side is not None]),
        }
        return overlap_matrix(
            bra.states,
            None if ket is None else ket.states,
            threads=self.config.threads,
            identity=identity,
            memory_limit=self.config.memory_limit,
            **run,
        )
