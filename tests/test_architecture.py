"""What the code promises its readers; the direction of imports is held by `lint-imports`."""

import ast
import re
from pathlib import Path

import pytest

from follow import follow_all

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "freerun"
PACKAGES = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent not in (PACKAGE, PACKAGE / "cli"))
"""All but the command line, whose modules are the commands."""


def modules_in(folder: Path) -> list[str]:
    """The names of the modules and packages in a folder,
    without those that begin with an underscore."""
    entries = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    return sorted(path.stem for path in entries if not path.name.startswith("_"))


def test_the_architecture_names_every_module_at_the_top():
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    assert [name for name in modules_in(PACKAGE) if not re.search(rf"\*\*`{name}/?`\*\*", architecture)] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_names_its_modules(package):
    described = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert [name for name in modules_in(package) if not re.search(rf"\b{name}\b", described)] == []


def test_a_series_goes_through_few_packages_by_few_names():
    """The counts of ARCHITECTURE.md, which may fall."""
    paths = follow_all()
    counts = {action: (len(path.stays), path.climbs, len(path.names)) for action, path in paths.items()}
    most = {"fit": (7, 3, 9), "generate": (4, 1, 2), "forecast": (4, 2, 3)}
    assert all(count <= limit for action in most for count, limit in zip(counts[action], most[action], strict=True))
