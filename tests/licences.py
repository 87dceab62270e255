"""Refuse dependencies whose licence is not on the list; run by ``make lint``.

Reads what cargo and pip say of everything that is compiled into or imported by bondline.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution, requires

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
"""SPDX names that an Apache-2.0 project may depend on."""


def allowed(expression: str) -> bool:
    """Whether an SPDX expression can be met with allowed licences alone.

    Examples
    --------
    >>> allowed("MIT OR GPL-3.0-only"), allowed("MIT AND GPL-3.0-only"), allowed("(MIT OR X)/Y")
    (True, False, True)
    """
    alternatives = re.split(r"\s+OR\s+|/", expression.replace("(", "").replace(")", ""))
    return any(
        all(part.strip() in ALLOWED for part in re.split(r"\s+AND\s+", alternative))
        for alternative in alternatives
    )


def rust_licences() -> dict[str, str]:
    """Licence of each crate in the lock file's graph of the workspace."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {
        f"crate {package['name']} {package['version']}": package["license"] or "none stated"
        for package in found["packages"]
    }


def python_licences(root: str = "bondline") -> dict[str, str]:
    """Licence of each package that bondline needs at run time, and of what those need."""
    licences: dict[str, str] = {}
    waiting, seen = [root], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        meta = distribution(name).metadata
        licences[f"package {name} {meta['Version']}"] = _stated(meta)
        for requirement in requires(name) or []:
            if "extra ==" not in requirement and _installed(requirement):
                waiting.append(_name(requirement))
    return licences


def _name(requirement: str) -> str:
    return re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _installed(requirement: str) -> bool:
    try:
        distribution(_name(requirement))
    except ModuleNotFoundError:
        return False  # for another Python or system
    return True


def _stated(meta) -> str:
    if meta["License-Expression"]:
        return meta["License-Expression"]
    classifiers = [c for c in meta.get_all("Classifier", []) if c.startswith("License ::")]
    names = {
        "Apache Software License": "Apache-2.0",
        "MIT License": "MIT",
        "BSD License": "BSD-3-Clause",
        "Python Software Foundation License": "PSF-2.0",
        "ISC License (ISCL)": "ISC",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    }
    for classifier in classifiers:
        last = classifier.rsplit(" :: ", 1)[-1]
        if last in names:
            return names[last]
    return (meta["License"] or "none stated").splitlines()[0]


def main() -> int:
    """Print what is not allowed; the number of such packages is the exit status."""
    licences = {**rust_licences(), **python_licences()}
    bad = {name: text for name, text in licences.items() if not allowed(text)}
    for name, text in sorted(bad.items()):
        print(f"{name}: licence {text!r} is not on the list in {__file__}", file=sys.stderr)
    print(f"{len(licences)} licences read, {len(bad)} refused")
    return min(len(bad), 1)


if __name__ == "__main__":
    sys.exit(main())
