"""The lowest versions that pyproject.toml allows, one requirement a line: `python .ci/lowest.py [EXTRA …]`.

Each dependency must say where it begins (>=); none may be left out of `make test-lowest`.
"""

import re
import sys
import tomllib
from pathlib import Path


def lowest(requirement: str) -> str:
    """`name>=1.2` → `name==1.2`."""
    found = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9][0-9.]*)", requirement.replace(" ", ""))
    if found is None:
        raise SystemExit(f"pyproject.toml: {requirement!r}: expected name>=version")
    return f"{found[1]}=={found[2]}"


def main() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lists = [project["dependencies"], *(extras[name] for name in sys.argv[1:])]
    print(*(lowest(requirement) for requirements in lists for requirement in requirements), sep="\n")


if __name__ == "__main__":
    main()
