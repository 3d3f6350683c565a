"""Decides how text from outside (names, titles, reasons) is shown, so that it can steer neither terminal nor browser.

Everything that a declaration or a server wrote passes through here on its way out:

- `visible` for terminals and logs: one line, no control sequence, no change of writing direction, nothing that a
  continuous-integration runner takes for a command;
- `prose` and `code` for Markdown: no markup, no HTML, no link, no mention;
- `workflow_data` and `workflow_property` for GitHub's workflow commands;
- `dumps` for JSON: the true values, in printable ASCII.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The `format` of every JSON document; within it keys are only added."""

_GITHUB_COMMAND = re.compile(r"(?<!\S):(?=:)")
"""A runner obeys a line that starts with `::`, and wrapping may put any word at the start of a line."""

_RUNNER_COMMAND = re.compile(r"#(?=#(?:vso)?\[)")
"""`##[` and `##vso[` are obeyed anywhere in a line, by GitHub and by Azure DevOps."""

_MARKUP = {ord(sign): f"&#{ord(sign)};" for sign in "&<>\"'\\`*_~[]{}|$^="}

_BREAK = "&#8203;"
"""A zero-width space. Mentions, links and emoji are sought in the rendered text, where an entity is no protection."""

_IN_CODE = re.compile(r"@|:(?=//)|www\.(?=\S)", re.IGNORECASE)
"""Mentions, addresses and links: Markdown itself makes links, before anybody knows that they stand in code."""

_IN_PROSE = re.compile(rf"{_IN_CODE.pattern}|#(?=\d)|GH-(?=\d)|:(?=[\w+-]+:)", re.IGNORECASE)
"""Issues and emoji too: the line in `a.yaml:100:5` is one."""

_OPENING = re.compile(r"^(?:[#+-]|\d+[.)])")
"""What starts a heading, a rule or a list, where a text is the first thing in an item."""


def visible(text: str) -> str:
    r"""Give the text as one printable line: what cannot be seen is written as its escape, such as `\u202e`."""
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return _GITHUB_COMMAND.sub(r"\\x3a", _RUNNER_COMMAND.sub(r"\\x23", line))


def clipped(text: str, limit: int) -> str:
    """Give the visible text, at most `limit` characters long, and say by `…` that there was more."""
    line = visible(text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def prose(text: str, limit: int = 300) -> str:
    """Give Markdown that reads as the text and does nothing, on one line; over `limit` characters it is cut."""
    line = _inert(clipped(text.strip(" "), limit), _IN_PROSE)
    return _OPENING.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", line)


def code(text: str, limit: int = 300) -> str:
    """Give the text as a name or a place in Markdown. HTML, because a back-quote in the text would end a code span."""
    return f"<code>{_inert(clipped(text, limit), _IN_CODE)}</code>"


def _inert(line: str, active: re.Pattern[str]) -> str:
    first, *rest = (piece.translate(_MARKUP) for piece in active.split(line))
    signs = active.findall(line)
    return first + "".join(f"{sign}{_BREAK}{piece}" for sign, piece in zip(signs, rest, strict=True))


def workflow_data(text: str) -> str:
    """Give the text as the message of a GitHub workflow command; its lines stay lines."""
    return "%0A".join(visible(line).replace("%", "%25") for line in text.split("\n"))


def workflow_property(text: str) -> str:
    """Give the text as a property (file, title) of a GitHub workflow command."""
    return workflow_data(text).replace(":", "%3A").replace(",", "%2C")


def dumps(document: Mapping[str, object]) -> str:
    """Give the document as JSON that ends with a newline: ASCII, so that no value can steer a terminal or a runner."""
    text = json.dumps(document, indent=2, ensure_ascii=True)
    return _RUNNER_COMMAND.sub(r"\\u0023", text).replace("\x7f", "\\u007f") + "\n"
