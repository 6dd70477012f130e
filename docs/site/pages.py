"""What the site shows beside the pages in this folder: the notebooks, the command line,
the files of the root.

A hook of MkDocs, see `mkdocs.yml`. Links that lead out of the folder, as they have to where the
pages are read in the repository, are turned to the site's own pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import typer
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from typer.cli import get_docs_for_click

from freerun.cli import COMMANDS, app, command

ROOT = Path(__file__).parents[2]

OF_THE_ROOT = {f"{name.upper()}.md": f"{name}.md" for name in ("architecture", "contributing", "changelog", "security")}
"""Pages that are files of the root."""

EXAMPLES = ("read_model.py",)
"""Files of the examples that pages lead to."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fences of the language `math` are formulas, beside those that `mkdocs.yml` names."""
    fence = {"name": "math", "class": "math", "format": _formula}
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [*fences.get("custom_fences", []), fence]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from something else."""
    made: dict[str, str | bytes] = {page: (ROOT / name).read_text() for name, page in OF_THE_ROOT.items()}
    made |= {f"examples/{name}": (ROOT / "examples" / name).read_bytes() for name in EXAMPLES}
    for notebook in (ROOT / "examples").glob("*.ipynb"):
        made |= _notebook(notebook)
    made["command-line.md"] = _command_line()
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the root, and those of the root's own pages, to pages of the site."""
    del config, files
    if page.file.src_uri in OF_THE_ROOT.values():
        markdown = re.sub(r"\]\((docs/)?([^)#:]*)", lambda m: f"]({OF_THE_ROOT.get(m[2], m[2])}", markdown)
    markdown = re.sub(r"\]\(\.\./([A-Z]+\.md)", lambda m: f"]({OF_THE_ROOT[m[1]]}", markdown)
    return markdown.replace("](../examples/", "](examples/").replace("](../docs/", "](")


def _formula(source: str, language: str, class_name: str, options: Any, md: Any, **_: Any) -> str:
    """A formula in LaTeX as MathML, which browsers draw by themselves."""
    del language, options, md
    return f'<div class="{class_name}">{convert(source, display="block")}</div>'


def _notebook(path: Path) -> dict[str, str | bytes]:
    """The page of a notebook as it was last run, and its pictures."""
    body, resources = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4))
    folder = f"{path.stem}-pictures"
    for name in resources["outputs"]:
        body = body.replace(f"({name})", f"({folder}/{name})")
    pictures = {f"{folder}/{name}": content for name, content in resources["outputs"].items()}
    return {f"{path.stem}.md": body, **pictures}


def _command_line() -> str:
    """What `--help` says of every command."""
    group = typer.main.get_command(app)
    context = typer.Context(group)
    text = get_docs_for_click(obj=group, ctx=context, name="freerun").split("**Commands**")[0]
    for name in COMMANDS:
        text += get_docs_for_click(obj=command(name), ctx=context, indent=1, call_prefix="freerun")
    text = re.sub(r"^Example: (.+?)\n\n", r"```bash\n\1\n```\n\n", text, flags=re.MULTILINE | re.DOTALL)
    return text.replace("```console\n$ ", "```text\n").replace("# `freerun`", "# Command line", 1)
