"""Telegram's HTML, as far as a refusal or the length of a text depends on it."""

from __future__ import annotations

import pytest

from adapters.simulated.bot_api_markup import MarkupRefused, utf16_length, visible_text


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ("plain", "plain"),
        ("<b>bold</b> <I>it</I>", "bold it"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ('<a href="https://x.org?a=1&amp;b=2">link</a>', "link"),
        ('<pre><code class="language-python">x</code></pre>', "x"),
        ("<blockquote expandable>x</blockquote>", "x"),
        ('<span class="tg-spoiler">x</span>', "x"),
        ("&lt;b&gt; &amp; &quot;q&quot; &#65;&#x1F680;", '<b> & "q" A🚀'),
        ("a > b & c &unknown; &", "a > b & c &unknown; &"),
        ("<b>nested <i>x</i></b>", "nested x"),
        ("<b>short end</>", "short end"),
    ],
)
def test_what_is_seen_of_valid_markup(markup: str, seen: str) -> None:
    assert visible_text(markup) == seen


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("é<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<b", 'Unclosed start tag "b" at byte offset 0'),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
    ],
)
def test_invalid_markup_is_refused_in_telegrams_words(markup: str, words: str) -> None:
    with pytest.raises(MarkupRefused) as refused:
        visible_text(markup)
    assert str(refused.value) == words


def test_length_counts_utf16_units() -> None:
    assert [utf16_length(text) for text in ("a", "é", "→", "🚀", "👨‍👩‍👧")] == [1, 1, 1, 2, 8]
