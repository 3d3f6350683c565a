"""The fast path agrees with the library on every address: whoever it takes, and how it writes them."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.addresses import AddressBook

BOOK = AddressBook()  # one for all examples, so that verdicts are remembered as in a run

PLAIN = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-.", min_size=1, max_size=12)
ODD = st.one_of(
    PLAIN,
    st.text('ab.@ "\\(),:;<>[]\t\n\x00\x7f', max_size=6),
    st.text(max_size=6),
    st.text("éßİ\u0131\u017f\u212aµ∑字ñ\u0301\u200d\u00ad", min_size=1, max_size=5),
    PLAIN.map(lambda text: f'"{text}"'),
    st.integers(60, 70).map("a".__mul__),
    st.lists(PLAIN, max_size=3).map(".".join),
)
LABEL = st.text("abz019-é字ßK_", min_size=1, max_size=5)
DOMAINS = (
    "example.com EXAMPLE.com mail.contoso.com bücher.example.com xn--bcher-kva.com xn--a.com xn--80ak6aa92e.com "
    "例え.jp localhost local example test x.test x.invalid [127.0.0.1] 127.0.0.1 example.com. -a.com a-.com a_b.com "
    "faß.de FASS.de ex\u00adample.com exa\u200dmple.com a..com .com \uff25\uff38.com a.c a.1 a\u3002com"
)
DOMAIN = st.one_of(
    st.sampled_from([*DOMAINS.split(), ""]),
    st.lists(LABEL, min_size=1, max_size=3).map(".".join),
    st.integers(50, 70).map(lambda length: "a" * length + ".com"),
    st.integers(3, 5).map(lambda labels: ".".join(["a" * 60] * labels) + ".com"),
)
BLANKS = st.text(" \t\r\n\u00a0\u3000", max_size=2)


def judged_by_the_library(raw: str) -> str | None:
    try:
        return validate_email(raw.strip().lower(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


@settings(max_examples=400)
@given(BLANKS, st.builds("{}@{}".format, ODD, DOMAIN) | st.text(max_size=12) | st.emails(), BLANKS)
@example("", "a@" + ".".join(["a" * 60] * 4) + ".com", "")
@example("", "a" * 64 + "@" + ".".join(["a" * 60] * 3) + ".abc", "")
@example("", "İ@example.com", "")
@example("", "a@b@example.com", "")
@example("", "a@example.com\n", "")
def test_the_book_agrees_with_the_library(before: str, address: str, after: str) -> None:
    raw = before + address + after
    assert BOOK(raw) == judged_by_the_library(raw)


@settings(max_examples=200)
@given(PLAIN, st.integers(180, 200), st.integers(58, 66))
def test_the_lengths_are_the_librarys(local: str, domain: int, longest: int) -> None:
    labels = ".".join(["a" * 60] * 3)[: domain - 4].rstrip(".") + ".com"
    address = f"{(local * 66)[:longest]}@{labels}"
    assert BOOK(address) == judged_by_the_library(address)


@given(st.emails())
def test_an_address_is_written_one_way(address: str) -> None:
    sent = BOOK(address)
    for form in (address.upper(), f" {address} ", f"\t{address.lower()}\n"):
        assert BOOK(form) == judged_by_the_library(form)
    if sent is not None:
        assert sent == sent.strip().lower()
        assert BOOK(sent) == sent


def test_the_domain_is_judged_before_the_address_is_taken() -> None:
    assert AddressBook()("someone@localhost") is None
    assert AddressBook()("someone@") is None
    assert AddressBook()("@example.com") is None
    assert AddressBook()("example.com") is None
    assert AddressBook()(" Some.One@EXAMPLE.com ") == "some.one@example.com"
