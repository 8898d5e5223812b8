"""Names as people have them: accents, apostrophes, several parts, one letter, other scripts."""

# ruff: noqa: RUF001  (letters that look like others are the point)

from __future__ import annotations


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split("|"))


GIVEN = _listed(
    "Ada|Noah|Sofía|José|Zoë|Björn|Łukasz|Ngọc|Fatima|Yusuf|Priya|Wei|Xiu Ying|Anne-Marie|Mary Jane|D'Andre|O|Li|Çağla"
    "|Дмитрий|Ελένη|محمد|美咲|민준|Kaʻiulani|Amelia|Liam|Olivia"
)
FAMILY = _listed(
    "Smith|García|O'Neil|de la Cruz|van der Berg|Smith-Jones|al-Hassan|Ó Súilleabháin|Müller|Groß|Nováková|Ng|O|Иванова"
    "|Παπαδόπουλος|佐藤|김|שמש|Lee|Walker|Okafor|Begay|St. James|Null|Yılmaz|Trần"
)
SUBJECTS = _listed("Orientation|Algebra|Biology|Chemistry|English|Geography|History|Music|Physics|Spanish")
