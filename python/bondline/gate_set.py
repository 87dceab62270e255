"""Which PennyLane operators the engine runs, and how the others reach it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline import _core
from bondline.errors import InputError, InternalError

ADJOINT: Final = 0x8000
"""Bit of a gate id that asks for the adjoint of the gate."""

ENGINE_UNITARY_WIRES: Final = 2
"""Most wires of a matrix that the engine applies as it is."""

MATRIX_WIRES: Final = 6
"""Most wires of a matrix that is decomposed; every wire more costs four times the gates."""

UNITARITY_TOLERANCE: Final = 1e-6
"""Largest entry of U U† - 1 in a matrix that counts as unitary (single precision passes)."""

_ENGINE_GATES = {name: number for number, (name, _, _) in enumerate(_core.gate_table())}


def _gate_id(name: str) -> int:
    try:
        return _ENGINE_GATES[name]
    except KeyError:
        raise InternalError(
            f"The engine has no gate {name!r}: bondline and bondline._core are of different "
            "versions. Reinstall bondline."
        ) from None


_PLAIN_CLASSES = (
    qml.PauliX,
    qml.PauliY,
    qml.PauliZ,
    qml.Hadamard,
    qml.S,
    qml.T,
    qml.SX,
    qml.RX,
    qml.RY,
    qml.RZ,
    qml.PhaseShift,
    qml.U1,
    qml.U2,
    qml.U3,
    qml.Rot,
    qml.CNOT,
    qml.CZ,
    qml.CY,
    qml.CH,
    qml.SWAP,
    qml.ISWAP,
    qml.SISWAP,
    qml.ECR,
    qml.CRX,
    qml.CRY,
    qml.CRZ,
    qml.CRot,
    qml.ControlledPhaseShift,
    qml.CPhaseShift00,
    qml.CPhaseShift01,
    qml.CPhaseShift10,
    qml.IsingXX,
    qml.IsingYY,
    qml.IsingZZ,
    qml.IsingXY,
    qml.SingleExcitation,
    qml.SingleExcitationPlus,
    qml.SingleExcitationMinus,
    qml.FermionicSWAP,
    qml.PSWAP,
    qml.MultiRZ,
)

GATES: Final[dict[type, int]] = {kind: _gate_id(kind.__name__) for kind in _PLAIN_CLASSES}
"""Gates that are an id, wires and scalar parameters; the engine names them as PennyLane does."""

CONTROLLED_GATES: Final = {
    kind: gate for kind, gate in GATES.items() if issubclass(kind, qml.ops.Controlled)
}
"""The gates of the table that are controlled operators of PennyLane."""

PLAIN_GATES: Final = {kind: gate for kind, gate in GATES.items() if kind not in CONTROLLED_GATES}
"""The other gates of the table."""

PAULI_X: Final = _gate_id("PauliX")
PAULI_ROT: Final = _gate_id("PauliRot")
GLOBAL_PHASE: Final = _gate_id("GlobalPhase")
UNITARIES: Final = {2: _gate_id("QubitUnitary1"), 4: _gate_id("QubitUnitary2")}
"""From the dimension of a matrix to the gate that applies it."""

NO_OPERATIONS: Final = frozenset({qml.Identity, qml.Barrier, qml.WireCut, qml.Snapshot})
"""Operators that leave the state alone and are dropped."""

BASIS_STATES: Final = frozenset({qml.BasisState, qml.BasisEmbedding})
"""Operators that become a PauliX on each wire whose bit is set, wherever they stand."""

_NATIVE = (
    frozenset(GATES) | {qml.PauliRot, qml.GlobalPhase, qml.QubitUnitary} | NO_OPERATIONS
) | BASIS_STATES

NAMES: Final = frozenset(kind.__name__ for kind in _NATIVE)
"""Names of the native operators, as ``devices/mps.toml`` lists them."""

_UNBOUNDED = _NATIVE - {qml.QubitUnitary}


EXACT_CONTROLLED_X_WIRES: Final = 22
"""Most wires of a MultiControlledX that PennyLane 0.45.1 decomposes right without a work wire."""


def is_native(operator: Any) -> bool:
    """Return whether the engine runs an operator without decomposition.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    bool

    Notes
    -----
    0.1 µs for the gates of the table. Adjoints of native gates are native; so is an operator on
    one or two wires that has a matrix and no decomposition.

    Examples
    --------
    >>> is_native(qml.adjoint(qml.S(0))), is_native(qml.Toffoli([0, 1, 2]))
    (True, False)
    """
    kind = type(operator)
    if kind in _UNBOUNDED:
        return True
    if kind is qml.QubitUnitary:
        return len(operator.wires) <= ENGINE_UNITARY_WIRES
    if isinstance(operator, qml.ops.Adjoint):
        base = operator.base
        return type(base) not in BASIS_STATES and is_native(base)
    return (
        len(operator.wires) <= ENGINE_UNITARY_WIRES
        and not operator.has_decomposition
        and operator.has_matrix
        and _refusal(operator) is None
    )


def decomposition(operator: Any) -> Sequence[Any]:
    """Decompose an operator that is not native by one level.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    sequence of pennylane.operation.Operator
        PennyLane's own decomposition, or a :class:`pennylane.QubitUnitary` where there is none and
        the matrix has at most 6 wires.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If the operator cannot run on this device; the message says what can be done.
    InputError
        If a matrix is not unitary.

    Examples
    --------
    >>> decomposition(qml.Toffoli([0, 1, 2]))[0]
    H(2)
    """
    reason = _refusal(operator)
    if reason is not None:
        raise DeviceError(f"{describe(operator)} cannot run on bondline.mps: {reason}")
    if type(operator) is qml.DiagonalQubitUnitary and not qml.math.is_abstract(operator.data[0]):
        entries = np.asarray(qml.math.unwrap([operator.data[0]])[0])
        # Each entry is a matrix of its own: PennyLane's decomposition would keep the phases alone.
        require_unitary(entries[..., None, None], describe(operator))
    if isinstance(operator, qml.ControlledQubitUnitary):
        require_unitary(operator.base.data[0], describe(operator))
    if type(operator) is qml.QubitUnitary and operator.has_matrix:
        require_unitary(operator.data[0], describe(operator))
        return list(operator.decomposition())
    if operator.has_decomposition:
        return list(operator.decomposition())
    if len(operator.wires) <= MATRIX_WIRES:
        if operator.has_matrix:
            return [qml.QubitUnitary(operator.matrix(), operator.wires)]
        if operator.has_sparse_matrix:
            return [qml.QubitUnitary(operator.sparse_matrix().toarray(), operator.wires)]
    raise DeviceError(
        f"{describe(operator)} cannot run on bondline.mps: it has no decomposition into supported "
        f"gates, and only matrices on at most {MATRIX_WIRES} wires are decomposed. "
        "Give it a decomposition, or build it from supported gates."
    )


def matrix(operator: Any) -> NDArray[np.complex128]:
    """Return the matrix of an operator on one or two wires, in the order of its own wires.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    ndarray of complex128, shape (d, d) or (batch, d, d)

    Examples
    --------
    >>> matrix(qml.QubitUnitary(np.eye(2), wires=0)).shape
    (2, 2)
    """
    if type(operator) is qml.QubitUnitary:
        entries = operator.data[0]
        if not operator.has_matrix:
            entries = entries.toarray()
    else:
        entries = operator.matrix()
    return np.asarray(qml.math.unwrap([entries])[0], dtype=np.complex128)


def is_unitary(entries: NDArray[Any]) -> bool:
    """Return whether every matrix of a stack is unitary, to 1e-6 in each entry of U U† - 1.

    Parameters
    ----------
    entries : ndarray, shape (..., d, d)

    Returns
    -------
    bool

    Examples
    --------
    >>> is_unitary(np.eye(2)), is_unitary(np.full((1, 2, 2), np.nan))
    (True, False)
    """
    return _excess(entries) <= UNITARITY_TOLERANCE  # False for NaN


def _excess(entries: NDArray[Any]) -> float:
    if not np.isfinite(entries).all():
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):  # entries near the largest float
        product = entries @ np.conj(np.swapaxes(entries, -1, -2))
        return float(np.abs(product - np.eye(entries.shape[-1])).max())


def require_unitary(entries: Any, owner: str) -> None:
    """Raise if a matrix, or one of a batch of matrices, is not unitary.

    Parameters
    ----------
    entries : array_like, shape (..., d, d)
        Traced values are let through.
    owner : str
        What the matrix belongs to; begins the message.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_unitary(np.ones((2, 2)), "QubitUnitary on wires [0]")
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: QubitUnitary on wires [0] has a matrix that is not unitary...
    """
    if qml.math.is_abstract(entries):
        return
    found = np.asarray(qml.math.unwrap([entries])[0])
    if not is_unitary(found):
        if not np.isfinite(found).all():
            raise InputError(f"{owner} has a matrix with an entry that is not finite.")
        excess = _excess(found)
        raise InputError(
            f"{owner} has a matrix that is not unitary: the largest entry of U U† - 1 is "
            f"{excess:.2g}. Only unitary gates can be applied; normalise the matrix first."
        )


def describe(operator: Any) -> str:
    """Return a short text for an operator, whatever the size of its parameters.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    str

    Examples
    --------
    >>> describe(qml.RX(0.5, wires="a"))
    "RX(0.5, wires=['a'])"
    """
    if all(np.ndim(value) == 0 for value in operator.data):
        text = repr(operator)
        if len(text) <= 120:
            return text
    labels = [repr(label) for label in operator.wires.tolist()]
    shown = ", ".join(labels if len(labels) <= 8 else [*labels[:8], "…"])
    return f"{operator.name} on wires [{shown}]"


def _refusal(operator: Any) -> str | None:
    """Why an operator can never run here and what to do instead; None if it may run."""
    if isinstance(operator, qml.operation.Channel):
        return (
            "it is a noise channel, and this device evolves pure states. "
            "Use default.mixed for small noisy circuits."
        )
    if (
        isinstance(operator, qml.MultiControlledX)
        and len(operator.wires) > EXACT_CONTROLLED_X_WIRES
        and not operator.hyperparameters.get("work_wires")
    ):
        return (
            f"PennyLane's decomposition of it on more than {EXACT_CONTROLLED_X_WIRES} wires "
            "without a work wire gives wrong results (0.45.1). Give it one: work_wires=[wire], "
            "with a wire that the circuit does not use."
        )
    if isinstance(operator, qml.operation.CVOperation):
        return "it acts on continuous variables, and this device simulates qubits."
    if type(operator).__module__.startswith("pennylane.ops.qutrit"):
        return "it acts on qutrits, and this device simulates qubits. Use default.qutrit."
    if isinstance(operator, qml.ops.MidMeasure | qml.ops.Conditional):
        return (
            "mid-circuit measurements are deferred to the end of the circuit before it runs. "
            'Run the circuit through a QNode with mcm_method="deferred", the default.'
        )
    if isinstance(operator, qml.MPSPrep):
        return (
            "its tensors are not read by this version. "
            "Use qml.StatePrep on few wires, or build the state from gates."
        )
    if type(operator) is qml.QubitUnitary and operator.batch_size is not None:
        return (
            f"a batch of matrices on {len(operator.wires)} wires has no decomposition. "
            "Apply qml.transforms.broadcast_expand to the QNode, or give one matrix per circuit."
        )
    if (
        isinstance(operator, qml.ops.Exp)
        and not operator.has_decomposition
        and len(operator.wires) > MATRIX_WIRES
    ):
        return (
            f"the exponential of a sum has no decomposition, and a matrix on more than "
            f"{MATRIX_WIRES} wires is too large. Use qml.TrotterProduct."
        )
    return None
