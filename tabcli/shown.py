"""How a result shows itself: a few lines of text, and a small table in a notebook."""

from html import escape


class Shown:
    """A result whose `repr` is a few facts, a line each, instead of the tables and weights that it holds."""

    def brief(self) -> dict[str, str]:
        """The name of each fact → its text."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """The class and the facts, aligned."""
        facts = self.brief()
        width = max(map(len, facts), default=0)
        return "\n".join([type(self).__name__, *(f"  {name:<{width}}  {text}" for name, text in facts.items())])

    def _repr_html_(self) -> str:
        """The class and the facts as a table, for a notebook."""
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for name, text in self.brief().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


def first_few(names: list[str], n: int = 3) -> str:
    """The first names, and how many more there are.

    >>> first_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:n])
    return shown if len(names) <= n else f"{shown} and {len(names) - n} more"
