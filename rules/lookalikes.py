"""Letters of other alphabets that look like Latin ones: nobody sees what is wrong with a name that has one."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["describe_letter", "latin_of", "mixed_letter"]

_PAIRS = {
    "Cyrillic": ("АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһԛԝѵѡԌҮү", "ABESIJKMHOPCTYXaesijopcyxdhqwvwGYy"),
    "Greek": ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχϲϳ", "ABEZHIKMNOPTYXaiknoptuxcj"),
    "other": ("ıȷɑɡɩᴏᴜᴠᴡꜱᏟᎪᎻᏚⅰⅴⅹⅼⅽⅾⅿ‐‑‒–—―−", "ijagiouvwsCAHSivxlcdm-------"),
}
_WORD = re.compile(r"\w+")
_LATIN = {ord(one): other for letters, plain in _PAIRS.values() for one, other in zip(letters, plain, strict=True)}


def latin_of(text: str) -> str | None:
    """The text in plain ASCII, where all in it that is not only looks like it; None where there is more, or nothing."""
    if text.isascii():
        return None
    plain: str = unicodedata.normalize("NFKC", text.translate(_LATIN)).translate(_LATIN)
    return plain if plain.isascii() else None


def mixed_letter(text: str) -> str | None:
    """A character that nobody sees, or a letter that only looks Latin in a word of Latin letters; None: neither."""
    if text.isascii():
        return None
    unseen = next((letter for letter in text if unicodedata.category(letter) == "Cf"), None)
    if unseen is not None:
        return unseen
    words: list[str] = _WORD.findall(text)
    for word in words:
        if any("A" <= letter <= "z" and letter.isalpha() for letter in word):
            strange = next((letter for letter in word if ord(letter) in _LATIN), None)
            if strange is not None:
                return strange
    return None


def describe_letter(letter: str) -> str:
    """What such a letter is, as in `"а" is CYRILLIC SMALL LETTER A and only looks like "a"`."""
    name = unicodedata.name(letter, f"U+{ord(letter):04X}")
    if unicodedata.category(letter) == "Cf":
        return f"U+{ord(letter):04X} is {name} and cannot be seen"
    return f'"{letter}" is {name} and only looks like "{latin_of(letter)}"'
