"""The structure of the code: one direction of imports, no heavy imports for --help, docs that match."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tabcli"
README = (ROOT / "README.md").read_text(encoding="utf-8")

ORDER = re.findall(r"^  (\w+)\.py ", README, flags=re.MULTILINE)
"""The README's list of modules is the order: a module imports only from above it."""

LAZY = {
    "cli": {"files", "stages", "starting", "config", "discover", "inspection", "training"},
    "stages": {"backtesting", "fitting", "model", "prediction", "training"},
}
"""Imports of the package inside functions: `tabcli --help` waits for neither torch nor pandas, prep not for torch."""


def _modules() -> dict[str, ast.Module]:
    return {p.stem: ast.parse(p.read_text(encoding="utf-8")) for p in PACKAGE.glob("*.py")}


def _imported(node: ast.AST) -> set[str]:
    """Modules of the package that an import statement names."""
    if isinstance(node, ast.ImportFrom) and node.module == "tabcli":
        return {a.name for a in node.names}
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tabcli."):
        return {str(node.module).split(".")[1]}
    if isinstance(node, ast.Import):
        return {a.name.split(".")[1] for a in node.names if a.name.startswith("tabcli.")}
    return set()


def test_the_readme_lists_every_module_once() -> None:
    there = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert len(ORDER) == len(set(ORDER))
    assert set(ORDER) == there


def test_modules_import_only_from_above() -> None:
    rank = {name: i for i, name in enumerate(ORDER)}
    for name, tree in _modules().items():
        if name in ("__init__", "__main__"):
            continue
        for node in ast.walk(tree):
            below = {m for m in _imported(node) if rank[m] >= rank[name]}
            assert not below, f"{name} imports {below}"


def test_no_imports_hidden_in_functions_but_the_lazy_ones() -> None:
    for name, tree in _modules().items():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                hidden = {m for node in ast.walk(function) for m in _imported(node)}
                assert hidden <= LAZY.get(name, set()), f"{name}.{function.name}"


@pytest.mark.parametrize("command", [["--help"], ["predict", "--help"], ["config", "schema", "--help"]])
def test_help_imports_neither_torch_nor_pandas(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from tabcli.cli.app import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_what_prepares_tables_does_not_wait_for_torch() -> None:
    code = "import sys, tabcli.stages; sys.exit('imported torch' if 'torch' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_knows_no_names_of_one_dataset() -> None:
    names = re.compile(
        r"StateHoliday|SchoolHoliday|CompetitionOpen|CompetitionDistance|Promo2Since\w+|PromoInterval|StoreType"
    )
    for path in PACKAGE.glob("*.py"):
        assert not names.search(path.read_text(encoding="utf-8")), path


def test_no_module_prints_or_knows_typer_but_the_command_line() -> None:
    for name, tree in _modules().items():
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        modules = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        modules |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert "print" not in calls, name
        assert name in ("cli", "__main__") or not {"typer", "rich", "click"} & modules, name
        assert name == "config" or not {"yaml", "pydantic"} & modules, name
        assert name == "pickles" or "pickle" not in modules, name


def test_no_module_hides_a_function_of_the_api() -> None:
    """Importing the module tabcli.x makes `tabcli.x` that module, whatever `__getattr__` would give."""
    import tabcli

    assert not {p.stem for p in PACKAGE.glob("*.py")} & set(tabcli.__all__)
