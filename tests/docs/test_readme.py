"""The README's example runs and prints what it says it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_of_the_readme_run(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, str(README), "exec"), {})
    promised = re.findall(r"^print\(.*\)\s*# ([\d.]+)$", block, re.M)
    printed = capsys.readouterr().out.splitlines()
    assert promised
    assert printed[: len(promised)] == promised


def test_every_setting_is_in_the_readme() -> None:
    from bondline import MpsConfig

    for name in MpsConfig.__dataclass_fields__:
        assert f"`{name}`" in README.read_text(encoding="utf-8"), name
