"""What may be asked of a state that is held as tensors, without a run of its circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.measurements import MeasurementProcess

from bondline.devices.derivatives import require_plain_circuit
from bondline.devices.mps import BondlineMPS
from bondline.errors import InputError
from bondline.states.bitstrings import as_bits, require_width
from bondline.states.engine import log_probabilities


class StateReadings:
    """The measuring half of :class:`bondline.MPS`."""

    __slots__ = ()

    if TYPE_CHECKING:
        tensors: tuple[NDArray[np.complex128], ...]
        wires: tuple[Any, ...]

    def measure(self, *measurements: Any, shots: Any = None, seed: Any = None) -> Any:
        """Measure the state: anything that a QNode may return.

        Parameters
        ----------
        *measurements : pennylane.measurements.MeasurementProcess
        shots : int or shot vector, optional
            Analytic by default.
        seed : optional
            As the setting of the device; numpy's global generator by default.

        Returns
        -------
        value, or tuple of values
            In the shapes of ``bondline.mps``.

        Notes
        -----
        The state was judged when its circuit ran: there are no warnings here. Its ``fidelity``
        holds for every answer.

        Examples
        --------
        >>> from bondline import MPS
        >>> import numpy as np
        >>> import pennylane as qml
        >>> bell = MPS.from_tensors([np.eye(2), np.eye(2)])
        >>> print(round(float(bell.measure(qml.expval(qml.X(0) @ qml.X(1)))), 9))
        1.0
        """
        if not measurements:
            raise InputError(
                "measure needs at least one measurement, such as qml.expval(qml.Z(0))."
            )
        for measurement in measurements:
            if not isinstance(measurement, MeasurementProcess):
                raise InputError(
                    "measure needs measurements such as qml.expval(qml.Z(0)), got "
                    f"{measurement!r} of type {type(measurement).__name__}. "
                    "For the expectation value of an observable use MPS.expval."
                )
        # The state is held as it is: nothing is truncated once more.
        device = BondlineMPS(
            wires=self.wires,
            initial_state=self,
            max_bond_dim=None,
            cutoff=0.0,
            ordering="given",
            seed="global" if seed is None else seed,
            on_low_fidelity="ignore",
        )
        tape = qml.tape.QuantumScript([], measurements, shots=shots)
        require_plain_circuit(tape, "MPS.measure")
        (found,) = qml.execute([tape], device, diff_method=None)
        return found

    def expval(self, observable: Any) -> Any:
        """Return the expectation value of an observable.

        Parameters
        ----------
        observable : pennylane.operation.Operator

        Returns
        -------
        float64

        Examples
        --------
        >>> from bondline import MPS
        >>> import pennylane as qml
        >>> print(round(float(MPS.from_tensors([[1, 1]]).expval(qml.X(0))), 9))
        1.0
        """
        if not isinstance(observable, qml.operation.Operator):
            raise InputError(
                "expval needs an observable such as qml.Z(0), got "
                f"{observable!r} of type {type(observable).__name__}. "
                "For measurements use MPS.measure."
            )
        return self.measure(qml.expval(observable))

    def sample(self, shots: int, seed: Any = None) -> NDArray[np.int64]:
        """Draw outcomes of all wires in the computational basis.

        Parameters
        ----------
        shots : int
        seed : optional
            As the setting of the device; numpy's global generator by default.

        Returns
        -------
        ndarray of int64, shape (shots, wires)

        Examples
        --------
        >>> from bondline import MPS
        >>> MPS.from_tensors([[0, 1]]).sample(2)
        array([[1],
               [1]])
        """
        found: NDArray[np.int64] = self.measure(
            qml.sample(wires=self.wires), shots=shots, seed=seed
        )
        return found

    def log_probability(self, bitstrings: Any) -> Any:
        """Natural logarithm of the probability of bitstrings.

        Parameters
        ----------
        bitstrings : str, sequence of str, or array_like of 0 and 1
            In the order of ``wires``; an array of shape (wires,) or (strings, wires).

        Returns
        -------
        ndarray of float64, shape (strings,), or float64 for one string
            -inf where it is zero. Never underflows.

        Notes
        -----
        O(strings · wires · bond²).

        Examples
        --------
        >>> from bondline import MPS
        >>> print(round(float(MPS.from_tensors([[1, 1]]).log_probability("0")), 6))
        -0.693147
        """
        bits, single = as_bits(bitstrings)
        require_width(bits, self.wires)
        found = log_probabilities(self.tensors, self.wires, bits)
        return found[0] if single else found

    def probability(self, bitstrings: Any) -> Any:
        """Probability of bitstrings; see :meth:`log_probability`, which never underflows.

        Parameters
        ----------
        bitstrings : str, sequence of str, or array_like of 0 and 1

        Returns
        -------
        ndarray of float64, shape (strings,), or float64 for one string

        Examples
        --------
        >>> from bondline import MPS
        >>> print(round(float(MPS.from_tensors([[1, 1]]).probability([0])), 9))
        0.5
        """
        return np.exp(self.log_probability(bitstrings))
