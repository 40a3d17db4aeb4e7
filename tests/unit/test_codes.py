"""Voucher codes: their letters, their form, their chance."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soap_service.domain.codes import ALPHABET, CodeMaker, CodeSpaceExhausted

FORM = re.compile(r"[2-9A-HJ-NP-Z]{4}(-[2-9A-HJ-NP-Z]{4}){3}")


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def test_the_alphabet_has_no_look_alikes() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("01IO")
    assert not any(letter.islower() for letter in ALPHABET)


@pytest.mark.parametrize("count", [1, 2, 17, 1000])
def test_codes_have_their_form_and_differ(count: int) -> None:
    codes = CodeMaker()(count)
    assert len(codes) == len(set(codes)) == count
    assert all(FORM.fullmatch(code) for code in codes)


def test_none_asked_none_drawn() -> None:
    assert CodeMaker()(0) == []


def test_the_operating_system_is_asked_once_for_a_batch() -> None:
    asked: list[int] = []

    def source(count: int) -> bytes:
        asked.append(count)
        return random.Random(1).randbytes(count)

    CodeMaker(random_bytes=source)(1000)
    assert asked == [16_000]


def test_two_batches_share_nothing() -> None:
    make = CodeMaker()
    assert not set(make(1000)) & set(make(1000))


def test_every_byte_stands_for_one_letter_and_all_letters_are_equally_likely() -> None:
    every_byte = random.Random(1).sample(range(256), 256)
    codes = CodeMaker(random_bytes=lambda count: bytes(every_byte[:count]))(16)
    letters = Counter("".join(codes).replace("-", ""))
    assert letters == dict.fromkeys(ALPHABET, 8)


def chi_square(counts: Counter[str], expected: float) -> float:
    return sum((counts[letter] - expected) ** 2 / expected for letter in ALPHABET)


def test_letters_are_uniform_at_every_place() -> None:
    codes = [code.replace("-", "") for code in CodeMaker(random_bytes=seeded(7))(20_000)]
    # 31 degrees of freedom: 66.6 is passed by chance once in 5000 times, and the seed is fixed.
    for place in range(16):
        assert chi_square(Counter(code[place] for code in codes), len(codes) / 32) < 66.6
    pairs = Counter(code[place : place + 2] for code in codes for place in range(15))
    expected = len(codes) * 15 / 1024
    # 1023 degrees of freedom, normal for so many: mean 1023, deviation 45.2
    assert sum((pairs[a + b] - expected) ** 2 / expected for a in ALPHABET for b in ALPHABET) < 1023 + 5 * 45.2


def test_a_biased_source_is_what_the_uniformity_test_sees() -> None:
    low = CodeMaker(random_bytes=lambda count: bytes(byte & 0x7F | 0x10 for byte in seeded(7)(count)))
    letters = Counter("".join(low(2000)).replace("-", ""))
    assert chi_square(letters, 1000) > 66.6


def test_what_is_drawn_twice_in_a_batch_is_drawn_anew() -> None:
    answers = iter([bytes(16) * 3, b"\x01" * 16 + bytes(16), b"\x02" * 16])
    codes = CodeMaker(random_bytes=lambda count: next(answers))(3)
    assert codes == ["2222-2222-2222-2222", "3333-3333-3333-3333", "4444-4444-4444-4444"]


def test_a_broken_source_ends_in_an_error_and_not_in_a_loop() -> None:
    make = CodeMaker(random_bytes=bytes)
    assert make(1) == ["2222-2222-2222-2222"]
    with pytest.raises(CodeSpaceExhausted, match="2 distinct codes"):
        make(2)


@given(st.integers(1, 7), st.integers(0, 2**32), st.integers(1, 50))
def test_any_power_of_two_of_letters(power: int, seed: int, count: int) -> None:
    alphabet = "".join(map(chr, range(128)))[-(2**power) :]
    codes = CodeMaker(alphabet, seeded(seed))(count)
    assert len(set(codes)) == count
    assert all(
        len(code) == 19 and set(code[:4] + code[5:9] + code[10:14] + code[15:]) <= set(alphabet) for code in codes
    )


@pytest.mark.parametrize("alphabet", ["", "A", "ABC", "AABB", "ÄÖÜß", "0123456789", ALPHABET[:31], ALPHABET + "0"])
def test_alphabets_that_would_not_be_fair(alphabet: str) -> None:
    with pytest.raises(ValueError, match="alphabet"):
        CodeMaker(alphabet)
