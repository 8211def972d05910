#!/usr/bin/env python3
"""Keep the three constructions that make our English hard to read out of everything that a person reads.

1. A sentence that opens with a free relative: "Who acts shows a token." Name the subject: "To act, a client presents a
   token."
2. "is no" and "is none" for "is not a": "The text is no cursor." Write "The text is not a cursor."
3. A docstring whose first sentence hangs on a preposition: "Of a request." Write "The limits of one request."

It reads Markdown, comments, docstrings, the strings of Python code (so also error messages), names of tests, and the
descriptions in YAML. ``prose: ok`` in a comment on the line where the sentence begins or its text ends lets it pass.

Usage: scripts/check_prose.py [FILE_OR_FOLDER ...]
Without arguments it checks everything. It exits with 1 if it finds anything.
"""  # prose: ok

import ast
import io
import os
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NOT_OURS = {"node_modules", "__pycache__", "vectors", "build", "dist"}
MARKER = "prose: ok"


class Text(NamedTuple):
    """Some text that a person reads: the line where it begins, the line where it ends, and what it is."""

    line: int
    end: int
    kind: str
    words: str


class Finding(NamedTuple):
    """A sentence with one of the constructions."""

    line: int
    end: int
    rule: str
    sentence: str


# The rules.

AUXILIARY = re.compile(r"\b(?:is|are|was|were|has|have|can|cannot|may|must|will)\b")
RELATIVE_CLAUSE = re.compile(r"\b(?:that|which|who|whose|what|how|where|when|if|as|once|until|while|since)\b[^,:;]*")
FREE_RELATIVE = re.compile(r"(?:^W|; w)ho(?:ever|m|mever)? [a-z]|: whoever ")
NEGATION = re.compile(
    r"\b(?:is|are|was|were|be|been|being|becomes|remains) (?:no|none)\b"
    r"(?! (?:longer|more|less|fewer|better|worse|later|sooner|earlier|larger|smaller|greater|higher|lower|faster|"
    r"slower|shorter|different|one|of)\b)"
)
EXISTENTIAL = re.compile(r"\bthere(?: \w+)?$|\bthere\b \w+ (?:to|have)$", re.IGNORECASE)
FRAGMENT = re.compile(
    r"(?:Of|For|To be|As|By|From|With|Within|Beyond|Below|Above|Like|Nor|Than)\b(?! each\b| every\b| now on\b|-)"
)
PREPOSITIONAL_OPENING = re.compile(r"(?:For|From|By|As|With|Within|Below|Above|Like|Beyond) [^.:]*, \w")


def is_free_relative(sentence: str, *, opens: bool) -> bool:
    """Whether ``sentence`` has a free relative as its subject. ``opens``: it is the first, which may be a heading."""
    if sentence.endswith("?"):
        return False
    if FREE_RELATIVE.search(sentence):
        return True
    if sentence.startswith("Whatever "):
        return "," not in sentence
    if not sentence.startswith("What ") or sentence.endswith(":"):
        return False
    # "What a token grants." is a good heading, and "What is left of it waits." is not.
    clause = RELATIVE_CLAUSE.sub("", re.split(r"[:;]", sentence)[0])
    return not opens or len(AUXILIARY.findall(clause)) > 1


def has_no_for_not(sentence: str) -> bool:
    """Whether ``sentence`` negates with "no" or "none" where the subject is not "there"."""
    return any(not EXISTENTIAL.search(sentence[: found.start()].rstrip()) for found in NEGATION.finditer(sentence))


def is_fragment(sentence: str) -> bool:
    """Whether ``sentence`` hangs on a preposition, and nothing but a full sentence could hold it."""
    return FRAGMENT.match(sentence) is not None and not PREPOSITIONAL_OPENING.match(sentence)


def findings_in(text: Text) -> Iterator[Finding]:
    """What is wrong with ``text``."""
    start = 0
    for number, part in enumerate(re.split(r"(?<=[.!?])\s+(?=[^a-z\s])|\n\n", text.words)):
        start = text.words.index(part, start)
        line = text.line + text.words.count("\n", 0, start)
        sentence = " ".join(part.split())
        if is_free_relative(sentence, opens=number == 0):
            yield Finding(line, text.end, "free-relative", sentence)
        if has_no_for_not(sentence):
            yield Finding(line, text.end, "is-no", sentence)
        if number == 0 and text.kind == "docstring" and is_fragment(sentence):
            yield Finding(line, text.end, "fragment", sentence)


# What a person reads in each kind of file.


def without_code(words: str) -> str:
    """``words`` with each piece of code replaced by a word, and each link by its text."""
    words = re.sub(r"``.+?``|`[^`\n]+`", lambda code: "CODE" + "\n" * code[0].count("\n"), words)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)


def python_texts(source: str) -> Iterator[Text]:
    """Docstrings (of attributes too), other strings, names of tests, and comments."""
    nodes = list(ast.walk(ast.parse(source)))
    documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield Text(node.lineno, node.lineno, "name", node.name[5:].replace("_", " "))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            kind = "docstring" if id(node) in documentation else "string"
            yield Text(node.lineno, node.end_lineno or node.lineno, kind, node.value)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from hash_texts([(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT])


def hash_texts(comments: Iterable[tuple[int, str]]) -> Iterator[Text]:
    """Comments that begin with ``#``; those on lines next to each other are one text."""
    first = last = 0
    lines: list[str] = []
    for number, comment in comments:
        if lines and number != last + 1:
            yield Text(first, last, "comment", "\n".join(lines))
            lines = []
        if not lines:
            first = number
        lines.append(comment.lstrip("#").strip())
        last = number
    if lines:
        yield Text(first, last, "comment", "\n".join(lines))


def plain_texts(source: str) -> Iterator[Text]:
    """The comments of TOML, shell and Makefile. A commented-out setting has no space after its ``#``."""
    lines = enumerate(source.splitlines(), 1)
    yield from hash_texts((number, match[0]) for number, line in lines if (match := re.search(r"(?:^|\s)##? .*", line)))


def script_texts(source: str) -> Iterator[Text]:
    """The comments of JavaScript, TypeScript and CSS."""
    pattern = re.compile(r"/\*.*?\*/|(?:(?:^|(?<=\s))//[^\n]*\n?[ \t]*)+", re.DOTALL | re.MULTILINE)
    for match in pattern.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        words = re.sub(r"^[ \t]*(?:/\*+|\*+/?|//+)|\*/", "", match[0], flags=re.MULTILINE).strip()
        yield Text(line, line + match[0].rstrip().count("\n"), "comment", words)


def html_texts(source: str) -> Iterator[Text]:
    """What a page shows."""
    for number, line in enumerate(source.splitlines(), 1):
        yield Text(number, number, "text", re.sub(r"<[^>]*>?", " ", line).strip())


def yaml_texts(source: str) -> Iterator[Text]:
    """Every value, over its lines."""
    for match in re.finditer(r"^[ -]*[\w$-]+:[ \t]*(\S.*(?:\n[ \t]+(?![\w$-]+:|- ).*)*)", source, re.MULTILINE):
        line = source.count("\n", 0, match.start()) + 1
        yield Text(line, line + match[1].count("\n"), "text", match[1].strip("'\">|- "))


def markdown_texts(source: str) -> Iterator[Text]:
    """Paragraphs, items of lists and cells of tables, without blocks of code and headings."""
    first, lines, fenced = 0, list[str](), False
    for number, line in enumerate([*source.splitlines(), ""], 1):
        fence = line.lstrip().startswith("```")
        cells = re.split(r"(?<!\\)\|", line) if line.startswith("|") else []
        if fence or fenced or cells or not line.strip() or line.startswith(("#", "    ")) or is_item(line):
            if lines:
                yield Text(first, number - 1, "text", "\n".join(lines))
            lines = []
        fenced ^= fence
        if fence or fenced or not line.strip() or line.startswith(("#", "    ")):
            continue
        yield from (Text(number, number, "text", cell.strip()) for cell in cells if cell.strip(" -"))
        if not cells:
            first = first if lines else number
            lines.append(re.sub(r"^\s*(?:[-*>]|\d+\.) ", "", line).replace("**", ""))


def is_item(line: str) -> bool:
    """Whether ``line`` begins an item of a list."""
    return re.match(r"\s*(?:[-*]|\d+\.) ", line) is not None


READERS = {
    ".py": python_texts,
    ".md": markdown_texts,
    ".toml": plain_texts,
    ".sh": plain_texts,
    "Makefile": plain_texts,
    ".yaml": yaml_texts,
    ".js": script_texts,
    ".ts": script_texts,
    ".tsx": script_texts,
    ".css": script_texts,
    ".html": html_texts,
}


def files_in(path: Path) -> list[Path]:
    """The files below ``path`` that have something to read, or ``path`` itself."""
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for parent, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(one for one in found if (one.suffix or one.name) in READERS)


def findings_of(path: Path) -> list[Finding]:
    """What is wrong with a file, in the order of its lines."""
    source = path.read_text("utf-8")
    lines = source.splitlines()
    texts = (text._replace(words=without_code(text.words)) for text in READERS[path.suffix or path.name](source))
    found = (finding for text in texts for finding in findings_in(text))
    return sorted(one for one in found if MARKER not in lines[one.line - 1] and MARKER not in lines[one.end - 1])


def main(arguments: list[str]) -> int:
    """Report the findings in ``arguments``, or in the whole repository, and their counts. Returns the exit code."""
    files = [file for name in arguments or [""] for file in files_in(ROOT / name)]
    counts: Counter[str] = Counter()
    for path in files:
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for finding in findings_of(path):
            counts[finding.rule] += 1
            sys.stdout.write(f"{shown}:{finding.line}: {finding.rule}: {finding.sentence[:100]}\n")
    summary = ", ".join(f"{count} x {rule}" for rule, count in counts.most_common())
    sys.stdout.write(f"{summary or 'plain prose'} in {len(files)} files\n")
    return min(len(counts), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
