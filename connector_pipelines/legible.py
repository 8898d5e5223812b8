"""Text of others where people read it: nothing in it is obeyed, and nothing of it is hidden (requirement G120). Pure.

What a source says stays in core as it came. A terminal obeys control characters, a reader is misled by those that turn
the direction of writing, and the UI renders Markdown, in which a picture's address is asked for by whoever looks.
"""

from __future__ import annotations

import re

# Control characters but tab and new line, and those that say how to write and are not seen. Joiners belong to letters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_MARKUP = str.maketrans({"|": "\\|", "<": "&lt;", "[": "\\[", "]": "\\]", "`": "\\`", "\\": "&#92;"})


def legible(text: str) -> str:
    r"""Text with what nobody would see spelled out: `\x1b`, `\u202e`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """Text on one line that stays text in Markdown, in a table's cell, too."""
    return legible(" ".join(text.split())).translate(_MARKUP)
