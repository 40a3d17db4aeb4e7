"""Customer and product filters: accepted texts, the canonical one, refusals."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soap_service.domain.faults import VoucherFault
from soap_service.domain.filters import (
    CUSTOMER_TAGS,
    PRODUCT_TAGS,
    Filter,
    check_customer_filter,
    read_filter,
    write_filter,
)
from tests.support.checks import outcome, refused


@pytest.mark.parametrize(
    ("text", "entries", "canonical"),
    [
        ("<n>4711</n>", (("n", "4711"),), None),
        ("<n>4711</n><n>4712</n>", (("n", "4711"), ("n", "4712")), None),
        ("<n>4712</n><n>4711</n>", (("n", "4712"), ("n", "4711")), None),
        ("<n>K-1 / Süd</n>", (("n", "K-1 / Süd"),), None),
        ("<i>17</i><i>4</i>", (("i", "17"), ("i", "4")), None),
        ("<i>007</i>", (("i", "007"),), None),
        ("<i>" + "9" * 18 + "</i>", (("i", "9" * 18),), None),
        (" <i>17</i>\n\t<i> 4 </i >\r\n", (("i", "17"), ("i", "4")), "<i>17</i><i>4</i>"),
        ("<n>1</n><n>1</n><n> 1</n>", (("n", "1"),), "<n>1</n>"),
        ("<n>A&amp;B</n>", (("n", "A&B"),), None),
        ("<n>A&B</n>", (("n", "A&B"),), "<n>A&amp;B</n>"),
        ("<n>a&lt;b&gt;c</n>", (("n", "a<b>c"),), None),
        ("<n>&quot;x&quot; &apos;y&apos;</n>", (("n", "\"x\" 'y'"),), "<n>\"x\" 'y'</n>"),
        ("<n>&amp;lt;</n>", (("n", "&lt;"),), None),
        ("<n>&amp;#13;</n>", (("n", "&#13;"),), None),
        ("<n>a&#13;b</n>", (("n", "a\rb"),), None),
        ("<i>1</i><n>2</n>", (("i", "1"), ("n", "2")), None),
    ],
)
def test_customer_filters(text: str, entries: Filter, canonical: str | None) -> None:
    assert read_filter("X", text, CUSTOMER_TAGS) == entries
    assert write_filter(entries) == (text if canonical is None else canonical)


def test_product_filters() -> None:
    text = "<ci>543</ci><ci>345</ci><pi>7</pi><pn>abc</pn><pn>xyz</pn>"
    entries = read_filter("X", text, PRODUCT_TAGS)
    assert entries == (("ci", "543"), ("ci", "345"), ("pi", "7"), ("pn", "abc"), ("pn", "xyz"))
    assert write_filter(entries) == text


@pytest.mark.parametrize(
    "text",
    [
        "4711",
        "<n>",
        "<n/>",
        "<n></n>",
        "<n>  </n>",
        "<n>1</i>",
        "<N>1</N>",
        "<ns:n>1</ns:n>",
        "<n a='b'>1</n>",
        "<x>1</x>",
        "<pn>1</pn>",
        "<n>1</n>,<n>2</n>",
        "<n>1</n>;",
        "x<n>1</n>",
        "<n><n>1</n></n>",
        "<n>1</n><n>",
        "<n>1</n",
        "<![CDATA[<n>1</n>]]>",
        "<!-- c --><n>1</n>",
        "&lt;n&gt;1&lt;/n&gt;",
        "<i>abc</i>",
        "<i>1.5</i>",
        "<i>-1</i>",
        "<i>1,2</i>",
        "<i>٣</i>",
        "<i>" + "9" * 19 + "</i>",
    ],
)
def test_what_is_no_customer_filter(text: str) -> None:
    with refused("ES012", "X"):
        read_filter("X", text, CUSTOMER_TAGS)


@pytest.mark.parametrize("text", ["<n>1</n>", "<i>1</i>", "<ci>a</ci>", "<pi>x1</pi>", "<pn></pn>", "<c>1</c>"])
def test_what_is_no_product_filter(text: str) -> None:
    with refused("ES012", "X"):
        read_filter("X", text, PRODUCT_TAGS)


@pytest.mark.parametrize(
    ("entries", "allowed"),
    [
        ((), True),
        ((("i", "1"), ("i", "2")), True),
        ((("n", "1"), ("n", "2")), True),
        ((("n", "1"), ("i", "1")), False),
    ],
)
def test_either_user_indexes_or_customer_numbers(entries: Filter, allowed: bool) -> None:
    if allowed:
        assert check_customer_filter("X", entries) == entries
    else:
        with refused("ES021", "X"):
            check_customer_filter("X", entries)


# What XML 1.0 can carry at all: no control characters but tab, newline and carriage return.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\t\n\r"))
values = texts.map(str.strip).filter(bool)
entries_of_a_filter = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ci", "pi"]), st.from_regex(r"[0-9]{1,18}", fullmatch=True)),
        st.tuples(st.just("pn"), values),
        st.tuples(st.just("pn"), st.text("&<>;#13quotamplg'\"\r]", min_size=1).map(str.strip).filter(bool)),
    ),
    unique=True,
).map(tuple)


@given(entries_of_a_filter)
def test_what_is_written_reads_back(entries: Filter) -> None:
    assert read_filter("X", write_filter(entries), PRODUCT_TAGS) == entries


@given(st.one_of(st.text(), st.text("<>/pnci&;#13 \n1", max_size=30)))
def test_any_text_at_all_is_refused_or_has_one_canonical_text(text: str) -> None:
    found = outcome(lambda: read_filter("X", text, PRODUCT_TAGS))
    if isinstance(found, VoucherFault):
        assert (found.code, found.field) == ("ES012", "X")
    else:
        canonical = write_filter(found)
        assert read_filter("X", canonical, PRODUCT_TAGS) == found
        assert write_filter(read_filter("X", canonical, PRODUCT_TAGS)) == canonical


@pytest.mark.parametrize(
    ("start", "filling", "end"),
    [
        ("<n>", " ", "<"),
        ("", " ", "x"),
        ("<n>1</n", " ", "x"),
        ("", "<n>", ""),
        ("", "<n>1</n>", "x"),
        ("<n>", "&", ""),
    ],
)
def test_long_nonsense_is_refused_at_once(start: str, filling: str, end: str) -> None:
    text = start + filling * (250_000 // len(filling)) + end
    begun = time.perf_counter()
    with refused("ES012", "X"):
        read_filter("X", text, CUSTOMER_TAGS)
    assert time.perf_counter() - begun < 5  # quadratic: minutes
