"""ruamel.yaml's pure Python parser without the detours of its busiest paths: half the time, and the same events.

It needs no C library to be there, so every machine says the same of the same file. A test holds it to them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml.docinfo import DocInfo
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

_GAP: Final = re.compile(r" *(?=[^ \n\r\t#\0\x85\u2028\u2029\ufeff])")
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*(?=:[ \n])")
_ITEM: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*(?=[,\]}])")
_VALUE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*(?=\n( *)[^ \n\r#\x85\u2028\u2029])")


class _Mark:
    """A place, counted from 0."""

    __slots__ = ("column", "index", "line")

    def __init__(self, index: int, line: int, column: int) -> None:
        self.index, self.line, self.column = index, line, column


class _Reader(Reader):
    """The whole text is in memory, so a step forward needs no loop over its characters."""

    def forward(self, length: int = 1) -> None:
        start = self.pointer
        end = start + length
        piece = self.buffer[start:end]
        if end + 1 >= len(self.buffer) or "\n" in piece or "\r" in piece or "\ufeff" in piece:
            super().forward(length)
            return
        self.skip(length)

    def skip(self, length: int) -> None:
        self.pointer += length
        self.index += length
        self.column += length

    def get_mark(self) -> Any:
        return _Mark(self.index, self.line, self.column)


class _Scanner(Scanner):
    """Looks for more tokens once for each token that is taken, and takes a word that ends at a sure end at once."""

    reader: Any = None  # a property of the base, looked up a million times
    scanner_processing_version: Any = (1, 2)
    settled = False
    """The first token is known to be complete; only taking it changes that."""

    def settle(self) -> None:
        while self.need_more_tokens():
            self.fetch_more_tokens()
        self.settled = True

    def check_token(self, *choices: Any) -> bool:
        if not self.settled:
            self.settle()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def peek_token(self) -> Any:
        if not self.settled:
            self.settle()
        return self.tokens[0] if self.tokens else None

    def get_token(self) -> Any:
        if not self.settled:
            self.settle()
        self.settled = False
        if not self.tokens:
            return None
        self.tokens_taken += 1
        return self.tokens.pop(0)

    def need_more_tokens(self) -> bool:
        if self.tokens and not self.possible_simple_keys:
            return False
        return bool(super().need_more_tokens())

    def scan_to_next_token(self) -> Any:
        reader = self.reader
        found = _GAP.match(reader.buffer, reader.pointer)
        if found is None:
            return super().scan_to_next_token()
        reader.skip(found.end() - reader.pointer)
        return None

    def scan_plain(self) -> Any:
        reader, flow = self.reader, self.flow_level
        found = _KEY.match(reader.buffer, reader.pointer)
        if found is None:
            found = (_ITEM if flow else _VALUE).match(reader.buffer, reader.pointer)
            if found is None or (not flow and len(found[1]) > self.indent):
                return super().scan_plain()
        start = reader.get_mark()
        self.allow_simple_key = False
        reader.skip(len(found[0]))
        end = reader.get_mark()
        if reader.peek() == "\n":
            self.scan_plain_spaces(self.indent + 1, start)
        return ScalarToken(found[0], True, start, end)  # noqa: FBT003  # the library's own order


class QuickParser(Parser):
    """Its parts are plain attributes. `get_event` gives the events of ruamel.yaml, and None at the end."""

    scanner: Any = None
    resolver: Any = None

    def __init__(self, text: str) -> None:
        """Read `text`, which must hold no character that YAML forbids."""
        self.comment_handling = None
        self.version = None
        self.doc_infos = [DocInfo()]  # where the scanner notes a directive
        self._reader: Any = None
        self._scanner: Any = None
        self._parser: Any = None
        reader = _Reader(None, self)
        reader.stream = text
        self.scanner = _Scanner.__new__(_Scanner)
        self.scanner.reader = reader
        self.scanner.__init__(self)
        self.resolver = VersionedResolver(version=(1, 2), loader=self)
        super().__init__(self)
