"""The pages of the documentation: every block of Python runs, in the order of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def by_name(path: Path) -> str:
    return path.name


def test_the_pages_are_found() -> None:
    names = {path.stem for path in PAGES}
    assert {"first_steps", "migrating", "measurements", "truncation", "state"} <= names


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_python_blocks_run_one_after_the_other(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks, "a page without an example"
    names: dict[str, object] = {"__name__": "a_page_of_the_documentation"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        # Errors then name the line of the page.
        exec(compile("\n" * line + block.group(1), str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
