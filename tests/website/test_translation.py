"""What the site has in Chinese is translated whole: the first page, the book, exercises, the explorer."""

import os
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

DOCS, SITE = Path(__file__).parents[2] / "docs", Path(os.environ["XPNN_SITE"])
PAGES = ["index", "learn", "explore", *(f"book/{path.stem}" for path in sorted((DOCS / "book").glob("*.md")))]


def messages(file: Path):
    with file.open("rb") as opened:
        return {message.id: message for message in read_po(opened) if message.id}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_untranslated_fuzzy_or_left_over(page):
    translated = messages(DOCS / "locale" / "zh_CN" / "LC_MESSAGES" / f"{page}.po")
    assert translated.keys() == messages(SITE / ".pot" / f"{page}.pot").keys()
    for text, message in translated.items():
        assert message.string, text
        assert not message.fuzzy, text
        prose = re.sub(r"`[^`]*`|\$[^$]*\$|\\\w+|\[[^\]]*\]\([^)]*\)", "", text)
        if len(re.findall(r"\b[a-z]{3,}\b", prose)) > 2 and not text.startswith(("x = ", "c_t", "h_t", "z_i")):
            assert re.search("[一-鿿]", message.string), text


@pytest.mark.parametrize("page", PAGES)
def test_code_formulas_and_links_are_the_same_in_both(page):
    kept = re.compile(r"`[^`]+`|\$[^$]+\$|\]\([^)]+\)")
    for text, message in messages(DOCS / "locale" / "zh_CN" / "LC_MESSAGES" / f"{page}.po").items():
        assert sorted(set(kept.findall(text))) == sorted(set(kept.findall(message.string))), text


@pytest.mark.parametrize("page", PAGES)
def test_the_page_has_its_title_and_no_mark_of_emphasis_is_left_on_it(page):
    html = (SITE / "zh_CN" / f"{page}.html").read_text("utf-8")
    text = re.sub(r"<(pre|code|script|style).*?</\1>|<[^>]+>", "", html, flags=re.DOTALL)
    assert "**" not in text
    assert page == "index" or re.search(r"<h1>[^<]*[一-鿿]|<h1>\d+\. (im2col|LSTM)", html)
