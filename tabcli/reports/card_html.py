"""The model card's Markdown as HTML for the page: headings, paragraphs, lists, tables, drawings, quotes."""

import re
from collections.abc import Iterator
from html import escape, unescape

LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
CODE = re.compile(r"(`[^`]+`)")
ESCAPED = re.compile(r"\\([\\`*_\[\]|#~$])")
BOLD, ITALIC = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")
KEPT = 0xE000
"""Characters with a backslash before them are moved to a private place while marks are read."""


def sections_of(markdown: str) -> dict[str, list[str]]:
    """The lines of a card by their head of the second level, in order; those before the first are under ""."""
    body = re.sub(r"\A---\n.*?\n---\n", "", markdown, flags=re.DOTALL)
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in body.splitlines():
        if line.startswith("## "):
            name = line[3:]
            found[name] = []
        elif not line.startswith("# "):
            found[name].append(line)
    return found


def html_of(lines: list[str], label: str) -> str:
    """Lines of Markdown as HTML. `label`: what tables are called for those who do not see them."""
    return "\n".join(_blocks(lines, label))


def _blocks(lines: list[str], label: str) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line, end = lines[at], at + 1
        if line.startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```")) + 1
            yield f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label)}"><pre>'
            yield escape("\n".join(lines[at + 1 : end - 1])) + "</pre></div>"
        elif line.startswith("|"):
            end = _while(lines, at, "|")
            yield _table(lines[at:end], label)
        elif line.startswith("- "):
            end = _while(lines, at, "- ")
            yield "<ul>" + "".join(f"<li>{inline(item[2:])}</li>" for item in lines[at:end]) + "</ul>"
        elif line.startswith("### "):
            yield f"<h4>{inline(line[4:])}</h4>"
        elif line.strip():
            yield f"<p>{inline(line.removeprefix('> '))}</p>"
        at = end


def _while(lines: list[str], at: int, start: str) -> int:
    return next((i for i in range(at, len(lines)) if not lines[i].startswith(start)), len(lines))


def _table(lines: list[str], label: str) -> str:
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    head, rule, *body = rows
    text = ' class="text"' if not any(mark.endswith(":") for mark in rule) else ""
    header = "".join(f'<th scope="col">{inline(c)}</th>' if c else "<td></td>" for c in head)
    cells = (f'<tr><th scope="row">{inline(r[0])}</th>' + "".join(f"<td>{inline(c)}</td>" for c in r[1:]) for r in body)
    table = f"<table{text}><thead><tr>{header}</tr></thead><tbody>{''.join(f'{c}</tr>' for c in cells)}</tbody></table>"
    tall = " tall" if len(body) > 20 else ""
    return f'<div class="scroll{tall}" tabindex="0" role="group" aria-label="{escape(label)}">{table}</div>'


def inline(text: str) -> str:
    """A line of Markdown as HTML.

    >>> inline("**a** `b*` <i> 2 \\\\* 3 [x](y.md)")
    '<strong>a</strong> <code>b*</code> &lt;i&gt; 2 * 3 x'
    """
    made = []
    for part in CODE.split(text):
        if CODE.fullmatch(part):
            made.append(f"<code>{escape(unescape(part[1:-1]))}</code>")
            continue
        kept = ESCAPED.sub(lambda m: chr(KEPT + ord(m[1])), LINK.sub(r"\1", part))
        shown = ITALIC.sub(r"<em>\1</em>", BOLD.sub(r"<strong>\1</strong>", escape(unescape(kept))))
        made.append(re.sub("[\ue000-\ue07f]", lambda m: chr(ord(m[0]) - KEPT), shown))
    return re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", "".join(made))
