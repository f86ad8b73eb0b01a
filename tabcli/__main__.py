"""`python -m tabcli`."""

from tabcli.cli import app

if __name__ == "__main__":
    app()
