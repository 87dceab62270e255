"""Packages that are loaded when something asks for them, and the extra that brings them."""

from __future__ import annotations

import importlib
from typing import Any

EXTRA = "qml"


def load(module: str, purpose: str) -> Any:
    """Import a module of an optional package, or say what to install.

    Parameters
    ----------
    module : str
    purpose : str
        What needs it; begins the message.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed.

    Examples
    --------
    >>> load("no_such_package", "A plot")
    Traceback (most recent call last):
    ...
    ModuleNotFoundError: A plot needs no_such_package, which is not installed: pip install ...
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{purpose} needs {missing.name}, which is not installed: "
            f'pip install "bondline[{EXTRA}]"',
            name=missing.name,
        ) from None
