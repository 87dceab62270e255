"""What to ask for instead of what does not fit into memory."""

from typing import Final

from bondline.errors import ResourceError

_GENERAL: Final = "; ask for fewer wires or rows"

# What the engine names, and the way out that fits it.
_WAYS: Final = {
    "state() of": (
        "Keep the state as a matrix product with bondline.mps_state(qnode), measure some wires "
        "(a qml.Snapshot takes measurement=qml.expval(...))"
    ),
    "probs on": (
        "Ask for chosen bitstrings with bondline.probability(qnode, bitstrings), for fewer wires, "
        "or for samples"
    ),
    "density matrix": "Ask for fewer wires, or for fewer such matrices at a time",
    "shots of": "Draw fewer shots, with qml.set_shots",
    "bitstrings": "Ask for fewer bitstrings at a time",
}


def advise(error: ResourceError) -> ResourceError:
    """Replace the engine's general advice by the one that fits what was asked for.

    Parameters
    ----------
    error : ResourceError

    Returns
    -------
    ResourceError
        The same error where the general advice is the best there is.

    Examples
    --------
    >>> text = "9 shots of 2 wires may need 1 KiB; ask for fewer wires or rows, lower max_bond_dim"
    >>> print(advise(ResourceError(text)))
    9 shots of 2 wires may need 1 KiB. Draw fewer shots, with qml.set_shots, or raise memory_limit.
    """
    what, general, _ = str(error).partition(_GENERAL)
    if general:
        for named, way in _WAYS.items():
            if named in what:
                return ResourceError(f"{what}. {way}, or raise memory_limit.")
    return error
