"""Which PennyLane operators the engine runs, and how the others reach it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pennylane as qml
from pennylane.exceptions import DeviceError

from bondline import _core
from bondline.errors import InternalError
from bondline.operators.exponentials import word_rotation
from bondline.operators.unitarity import require_unitary

ADJOINT: Final = 0x8000
"""Bit of a gate id that asks for the adjoint of the gate."""

MATRIX_WIRES: Final = 8
"""Most wires of a matrix, controls apart: 4^8 entries are 1 MiB."""

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
    qml.DoubleExcitation,
    qml.DoubleExcitationPlus,
    qml.DoubleExcitationMinus,
    qml.OrbitalRotation,
    qml.MultiRZ,
)

GATES: Final[dict[type, int]] = {kind: _gate_id(kind.__name__) for kind in _PLAIN_CLASSES}
"""Gates that are an id, wires and scalar parameters; the engine names them as PennyLane does."""

CONTROLLED_GATES: Final = {
    kind: gate for kind, gate in GATES.items() if issubclass(kind, qml.ops.Controlled)
}
"""The gates of the table that are controlled operators of PennyLane: one control, value 1."""

PLAIN_GATES: Final = {kind: gate for kind, gate in GATES.items() if kind not in CONTROLLED_GATES}
"""The other gates of the table."""

PAULI_X: Final = _gate_id("PauliX")
PAULI_ROT: Final = _gate_id("PauliRot")
GLOBAL_PHASE: Final = _gate_id("GlobalPhase")
MID_MEASURE: Final = _gate_id("MidMeasureMP")
_UNITARIES: Final = {2: _gate_id("QubitUnitary1"), 4: _gate_id("QubitUnitary2")}
_UNITARY: Final = _gate_id("QubitUnitary")

NO_OPERATIONS: Final = frozenset({qml.Identity, qml.Barrier, qml.WireCut, qml.Snapshot})
"""Operators that leave the state alone and are dropped."""

BASIS_STATES: Final = frozenset({qml.BasisState, qml.BasisEmbedding})
"""Operators that become a PauliX on each wire whose bit is set, wherever they stand."""

_MATRICES = frozenset({qml.QubitUnitary, qml.DiagonalQubitUnitary})

_UNITARY_OPERATORS = (
    frozenset(GATES) | {qml.PauliRot, qml.GlobalPhase, qml.QubitUnitary, qml.DiagonalQubitUnitary}
) | NO_OPERATIONS

_CONTROLLED = (qml.MultiControlledX, qml.Toffoli, qml.CCZ, qml.CSWAP, qml.ControlledQubitUnitary)

_NOT_UNITARY = BASIS_STATES | {qml.ops.MidMeasure}

INVERTIBLE: Final = frozenset(kind.__name__ for kind in (*_UNITARY_OPERATORS, *_CONTROLLED))
"""Names of the native operators whose adjoints are native."""

CONTROLLABLE: Final = INVERTIBLE - {kind.__name__ for kind in NO_OPERATIONS}
"""Names of the native operators that are native under any controls, too."""

DIFFERENTIABLE: Final = INVERTIBLE - {
    kind.__name__ for kind in (*_MATRICES, qml.ControlledQubitUnitary)
}
"""Names of the native operators by whose parameters the engine differentiates, if they have any."""

PREPARATIONS: Final = (qml.StatePrep, qml.AmplitudeEmbedding, qml.MPSPrep, qml.CosineWindow)
"""Operators that load a state into wires that nothing acted on before."""

NAMES: Final = (
    INVERTIBLE
    | {kind.__name__ for kind in (*BASIS_STATES, *PREPARATIONS)}
    | {"MidMeasureMP", "Conditional"}
)
"""Names of the native operators, as ``devices/mps.toml`` lists them."""

TARGETS: Final = NAMES | {f"C({name})" for name in CONTROLLABLE}
"""Names that PennyLane's graph decomposition may end at."""

_ALWAYS_NATIVE = (_UNITARY_OPERATORS - _MATRICES) | _NOT_UNITARY

LATE_STATE_WIRES: Final = 12
"""Most wires of a state in the middle of a circuit: about 2^13 gates prepare it."""


def base_of(operator: Any) -> tuple[Any, tuple[Any, ...], tuple[bool, ...], int]:
    """Take adjoints and controls off an operator, whatever their order.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    base : pennylane.operation.Operator
        The gates of the table with one control of value 1 (CNOT … CRot) stay whole unless they
        stand under further controls.
    control_wires : tuple of labels
    control_values : tuple of bool
    adjoint : int
        ``ADJOINT`` or 0.

    Examples
    --------
    >>> base_of(qml.adjoint(qml.ctrl(qml.S("a"), ["b", "c"], control_values=[0, 1])))
    (S('a'), ('b', 'c'), (False, True), 32768)
    """
    wires: tuple[Any, ...] = ()
    values: tuple[bool, ...] = ()
    adjoint = 0
    while True:
        if isinstance(operator, qml.ops.Adjoint):
            adjoint ^= ADJOINT
        elif isinstance(operator, qml.ops.Controlled) and (
            wires or type(operator) not in CONTROLLED_GATES
        ):
            wires += operator.control_wires.labels
            values += tuple(map(bool, operator.control_values))
        else:
            return operator, wires, values, adjoint
        operator = operator.base


def is_native(operator: Any) -> bool:
    """Return whether the engine runs an operator without decomposition, wherever it stands.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    bool

    Notes
    -----
    0.1 µs for the gates of the table. Native, too: adjoints of native gates, native gates under
    any controls and under a condition, and operators on up to 8 wires that have a matrix and no
    decomposition. Preparations are native at the start only, which
    :func:`bondline.operators.preparations.loadable` decides.

    Examples
    --------
    >>> is_native(qml.adjoint(qml.S(0))), is_native(qml.Toffoli([0, 1, 2])), is_native(qml.QFT(0))
    (True, True, False)
    """
    kind = type(operator)
    if kind in _ALWAYS_NATIVE:
        return True
    if kind is qml.ops.Conditional:
        return type(operator.base) is not qml.ops.MidMeasure and is_native(operator.base)
    base, controls, _, adjoint = base_of(operator)
    if (controls or adjoint) and type(base) in _NOT_UNITARY:
        return False
    return type(base) in _ALWAYS_NATIVE or is_matrix_gate(base)


def is_matrix_gate(operator: Any) -> bool:
    """Return whether an operator is applied as the matrix that it has.

    Parameters
    ----------
    operator : pennylane.operation.Operator
        Neither an adjoint nor controlled; see :func:`base_of`.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_matrix_gate(qml.QubitUnitary(np.eye(4), [0, 1])), is_matrix_gate(qml.QFT([0, 1]))
    (True, False)
    """
    if len(operator.wires) > MATRIX_WIRES or not len(operator.wires):
        return False
    if type(operator) in _MATRICES:
        return True
    if word_rotation(operator) is not None:
        return False
    return (
        not operator.has_decomposition
        and (operator.has_matrix or operator.has_sparse_matrix)
        and _refusal(operator) is None
    )


def unitary_gate(dimension: int) -> int:
    """Return the gate that applies a matrix of some dimension.

    Parameters
    ----------
    dimension : int

    Returns
    -------
    int
        Its id.

    Examples
    --------
    >>> unitary_gate(8) == unitary_gate(16) != unitary_gate(4)
    True
    """
    return _UNITARIES.get(dimension, _UNITARY)


def decomposition(operator: Any) -> Sequence[Any]:
    """Decompose an operator that is not native by one level.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    sequence of pennylane.operation.Operator
        PennyLane's own decomposition, but for exponentials of a Pauli word: for each of these
        PennyLane compares a list of gates with the exponent, which takes longer than running it.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If the operator cannot run on this device; the message says what can be done.
    InputError
        If a diagonal is not unitary.

    Examples
    --------
    >>> decomposition(qml.FlipSign([1, 0], [0, 1]))[0].name
    'PauliX'
    """
    base, controls, values, adjoint = base_of(operator)
    rotation = word_rotation(base, inverse=bool(adjoint))
    if rotation is not None:
        return [qml.ctrl(rotation, controls, control_values=values) if controls else rotation]
    reason = _refusal(base)
    if reason is not None:
        raise DeviceError(f"{describe(operator)} cannot run on bondline.mps: {reason}")
    if type(operator) is qml.DiagonalQubitUnitary and not qml.math.is_abstract(operator.data[0]):
        entries = np.asarray(qml.math.unwrap([operator.data[0]])[0])
        # Each entry is a matrix of its own: PennyLane's decomposition would keep the phases alone.
        require_unitary(entries[..., None, None], describe(operator))
    if operator.has_decomposition:
        return list(operator.decomposition())
    raise DeviceError(
        f"{describe(operator)} cannot run on bondline.mps: it has no decomposition into supported "
        f"gates, and only matrices on at most {MATRIX_WIRES} wires are applied as they are. "
        "Give it a decomposition, or build it from supported gates."
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
    >>> describe(qml.QubitUnitary(np.eye(2), wires="a"))
    "QubitUnitary on wires ['a']"
    """
    if all(np.ndim(value) == 0 for value in operator.data):
        text = repr(operator)
        # A number that a framework traces prints as its own machinery.
        if len(text) <= 120 and "<" not in text and "Traced" not in text:
            return text
    wires = operator.wires.tolist()
    if len(wires) <= 8:
        return f"{operator.name} on wires {wires}"
    first = ", ".join(map(repr, wires[:7]))
    return f"{operator.name} on {len(wires)} wires [{first}, …]"


def _refusal(operator: Any) -> str | None:
    """Why an operator can never run here and what to do instead; None if it may run."""
    kind = type(operator)
    if isinstance(operator, qml.operation.Channel):
        return (
            "it is a noise channel, and this device evolves pure states. "
            "Use default.mixed for small noisy circuits."
        )
    if isinstance(operator, qml.operation.CVOperation):
        return "it acts on continuous variables, and this device simulates qubits."
    if kind.__module__.startswith("pennylane.ops.qutrit"):
        return "it acts on qutrits, and this device simulates qubits. Use default.qutrit."
    if kind is qml.QubitDensityMatrix:
        return (
            "it prepares a mixed state, and this device evolves pure states. "
            "Use default.mixed, or qml.StatePrep for each pure state of the mixture."
        )
    if kind is qml.Hermitian:
        return "it is an observable. Apply a unitary matrix with qml.QubitUnitary."
    if kind is qml.ops.PauliMeasure:
        return (
            "it measures a Pauli word. Rotate the word to Z on one wire with gates, "
            "measure that wire with qml.measure, and rotate back."
        )
    if kind is qml.ops.MidMeasure or (
        kind is qml.ops.Conditional and type(operator.base) is qml.ops.MidMeasure
    ):
        return "a measurement cannot be conditional, controlled or inverted."
    if kind is qml.MPSPrep:
        return (
            "it loads a state into wires that nothing acted on before, and here it comes too late "
            "or shares its wires with another preparation. Put it first."
        )
    if isinstance(operator, qml.operation.StatePrepBase) and len(operator.wires) > LATE_STATE_WIRES:
        return (
            f"a state in the middle of a circuit is decomposed into gates on at most "
            f"{LATE_STATE_WIRES} wires, and loaded on at most 20 at the start. "
            "Put it first, or use qml.MPSPrep."
        )
    if kind is qml.QubitUnitary and len(operator.wires) > MATRIX_WIRES:
        return (
            f"a matrix on {len(operator.wires)} wires is too large; at most {MATRIX_WIRES} are "
            "applied. Build it from gates on fewer wires."
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
