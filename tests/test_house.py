"""The structure of the code: one direction of imports, no heavy imports for --help, docs that match."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "tabcli"
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^  (\w+)(?:\.py|/) ", README, flags=re.MULTILINE)
"""The README's tree is the order of packages: one imports only from above it."""
ROOMS = {p.stem for p in HOUSE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
AT_DOOR = ("__init__", "__main__")

LAZY = {"__init__": {"api"}, "cli": {"api", "config", "maps", "onboarding", "reports", "tables", "training"}}
"""Packages that are imported inside functions: `tabcli --help` waits for neither torch nor pandas."""


def _modules() -> dict[str, ast.Module]:
    """`package.module` or `module` → its tree; the docstring-only `__init__` of packages left out."""
    paths = [p for p in HOUSE.rglob("*.py") if not (p.name == "__init__.py" and p.parent != HOUSE)]
    return {
        ".".join(p.relative_to(HOUSE).with_suffix("").parts): ast.parse(p.read_text(encoding="utf-8")) for p in paths
    }


def _listed(package: str) -> list[str]:
    """The modules of a package in the order of its docstring."""
    tree = ast.parse((HOUSE / package / "__init__.py").read_text(encoding="utf-8"))
    text = (ast.get_docstring(tree, clean=False) or "").strip()
    return re.findall(r"^ *(\w+) {2,}\S", text.rpartition("\n\n")[2] + "\n", flags=re.MULTILINE)


MODULES = _modules()
ORDER = [m for entry in ENTRIES for m in ([f"{entry}.{n}" for n in _listed(entry)] if entry in ROOMS else [entry])]
RANK = {name: i for i, name in enumerate(ORDER)}


def _imported(node: ast.AST) -> set[str]:
    """Modules of the project that an import statement names."""
    if not isinstance(node, ast.ImportFrom | ast.Import):
        return set()
    if isinstance(node, ast.Import):
        return {a.name.removeprefix("tabcli.") for a in node.names if a.name.startswith("tabcli.")}
    if (node.module or "").split(".")[0] != "tabcli":
        return set()
    base = str(node.module).removeprefix("tabcli").removeprefix(".")
    names = {".".join(filter(None, (base, a.name))) for a in node.names}
    return {base} if base in MODULES else names


def test_the_readme_lists_every_package_and_the_packages_every_module() -> None:
    assert len(ENTRIES) == len(set(ENTRIES))
    assert set(ENTRIES) == {m.split(".")[0] for m in MODULES} - {*AT_DOOR}
    for package in sorted(ROOMS):
        assert sorted(_listed(package)) == sorted(m.split(".")[1] for m in MODULES if m.startswith(f"{package}."))


def test_modules_import_only_from_above() -> None:
    for name, tree in MODULES.items():
        if name in AT_DOOR:
            continue
        for node in ast.walk(tree):
            below = {m for m in _imported(node) if RANK[m] >= RANK[name]}
            assert not below, f"{name} imports {below}"


def test_a_package_is_opened_by_its_docstring_alone() -> None:
    for package in ROOMS:
        body = ast.parse((HOUSE / package / "__init__.py").read_text(encoding="utf-8")).body
        assert len(body) == 1, package


def test_modules_are_a_sittings_read() -> None:
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in HOUSE.rglob("*.py")}
    assert max(lines.values()) <= 400, max(lines, key=lambda p: lines[p])
    assert sum(n > 200 for n in lines.values()) < len(lines) / 4


def test_no_imports_hidden_in_functions_but_the_lazy_ones() -> None:
    for name, tree in MODULES.items():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                hidden = {m.split(".")[0] for node in ast.walk(function) for m in _imported(node)}
                assert hidden <= LAZY.get(name.split(".")[0], set()), f"{name}.{function.name}"


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


@pytest.mark.parametrize("verb", ["prep", "evaluate", "inspect", "steps", "begin"])
def test_what_trains_nothing_does_not_wait_for_torch(verb: str) -> None:
    code = f"import sys, tabcli.api.{verb}; sys.exit('imported torch' if 'torch' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_knows_no_names_of_one_dataset() -> None:
    names = re.compile(
        r"StateHoliday|SchoolHoliday|CompetitionOpen|CompetitionDistance|Promo2Since\w+|PromoInterval|StoreType"
    )
    for path in HOUSE.rglob("*.py"):
        assert not names.search(path.read_text(encoding="utf-8")), path


def test_no_module_prints_or_knows_typer_but_the_command_line() -> None:
    for name, tree in MODULES.items():
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        modules = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        modules |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert "print" not in calls, name
        assert name.split(".")[0] in ("cli", "__main__") or not {"typer", "rich", "click"} & modules, name
        assert name.split(".")[0] == "config" or not {"yaml", "pydantic"} & modules, name
        # A pickle that a person gives is read with care; what processes of one command hand to each other is their own.
        assert name in ("tables.pickles", "engines.objects", "pipeline.passing") or "pickle" not in modules, name


def test_no_module_hides_a_function_of_the_api() -> None:
    """Importing the module tabcli.x makes `tabcli.x` that module, whatever `__getattr__` would give."""
    import tabcli

    assert not {m.split(".")[0] for m in MODULES} & set(tabcli.__all__)
