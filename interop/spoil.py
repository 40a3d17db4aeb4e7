"""Tries the programs themselves: does a check fail when the service does wrong?

`python -m interop.spoil [--only STACK]… [--round N]…` runs the stacks against a service whose answers are
changed on their way out, in rounds: in each one every check has at most one thing wrong. A check that passes
although its answer was spoiled is blind, and a finding.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console

from interop import runner
from interop.checks import CHECKS
from interop.service import running_service, stop_on_signals

VARIABLE = "INTEROP_SPOIL"

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Change = tuple[str, str]  # a regular expression, and what its first match becomes

_CODE = "<VoucherNumber>([^<]*)</VoucherNumber>"
_MADE_UP = "<VoucherNumber>X</VoucherNumber>"
_TWO = f"^((?:(?!VoucherNumber>).)*<VoucherNumbers>){_CODE}{_CODE}(</VoucherNumbers>)"
_THOUSAND = f"^((?:(?!VoucherNumber>).)*<VoucherNumbers>)({_CODE})((?:{_CODE}){{998}}){_CODE}"


def _in_template(pattern: str, replacement: str) -> Change:
    """A change to the answer of one voucher from `Vorlage`, `override` excepted."""
    only = r"^(?=.*<MinOrderValue>50\.00<)(?!.*</VoucherNumber><VoucherNumber>)"
    return f"{only}(.*<response>.*?){pattern}", rf"\g<1>{replacement}"


def _in_override(pattern: str, replacement: str) -> Change:
    return rf"^(?=.*<MinOrderValue>99\.90<)(.*<response>.*?){pattern}", rf"\g<1>{replacement}"


def _in(answer: str, pattern: str, replacement: str) -> Change:
    return f"(<ns:{answer}Response><response>.*?){pattern}", rf"\g<1>{replacement}"


def _in_fault(code: str) -> list[Change | None]:
    return [
        (f"<faultstring>{code} ", f"<faultstring>{code[:-1]}0 "),
        (f"(<faultstring>{code} [^<]*)", r"\g<1>!"),
        (f"<faultstring>{code} [^<]*", f"<faultstring>{code}"),
    ]


_TEMPLATE_FIELDS: list[Change | None] = [
    _in_template("<Amount>10.00<", "<Amount>10.01<"),
    _in_template("<AmountType>0<", "<AmountType>1<"),
    _in_template("<Currency>EUR<", "<Currency>USD<"),
    _in_template("<MinOrderValue>50.00<", "<MinOrderValue>50.01<"),
    _in_template("<Subshop>B2c,B2B<", "<Subshop>B2c<"),
    _in_template("<Type>0<", "<Type>1<"),
    _in_template("<Type2>1<", "<Type2>2<"),
    _in_template("<VATIndex>-1<", "<VATIndex>0<"),
]
_LATER: list[Change | None] = [None] * 9  # rounds in which create-1 or pool is spoiled, on which others build

#: By check: what is spoiled in the first round, the second and so on.
SPOILS: dict[str, list[Change | None]] = {
    "charges": [
        _in("GetVoucherCharges", "(<ChargeId>Vorlage</ChargeId><Amount>)10.00", r"\g<2>10.01"),
        _in("GetVoucherCharges", "(<ChargeId>Vorlage</ChargeId>.*?<Currency>)EUR", r"\g<2>USD"),
        ("<ChargeId>Vorlage<", "<ChargeId>Vorlagen<"),
        ("<ChargeId>Seiten<", "<ChargeId>OhneVorlage<"),
        ("<ChargeId>OhneVorlage<", "<ChargeId>MitVorlage<"),
        ("<ChargeId>OhneVorlage</ChargeId>", "<ChargeId>OhneVorlage</ChargeId><Amount>1.00</Amount>"),
    ],
    "create-1": [
        *_TEMPLATE_FIELDS,
        _in_template("<VoucherNumber>(....)-", r"<VoucherNumber>\g<2>"),
        _in_template("(<VoucherNumber>[^<]*</VoucherNumber>)", r"\g<2>\g<2>"),
    ],
    "create-2": [
        (_TWO, r"\1<VoucherNumber>\2</VoucherNumber><VoucherNumber>\2</VoucherNumber>\4"),
        (_TWO, r"\1<VoucherNumber>\2</VoucherNumber>\4"),
        (
            _TWO,
            r"\1<VoucherNumber>\2</VoucherNumber><VoucherNumber>\3</VoucherNumber><VoucherNumber>X</VoucherNumber>\4",
        ),
    ],
    "create-1000": [
        (_THOUSAND, r"\1\2\4\2"),
        (_THOUSAND, r"\1\2\4"),
        (_THOUSAND, rf"\1\2\4<VoucherNumber>\6</VoucherNumber>{_MADE_UP}"),
    ],
    "override": [
        _in_override("<Amount>25.50<", "<Amount>25.49<"),
        _in_override("<MinOrderValue>99.90<", "<MinOrderValue>99.91<"),
        _in_override("<Type>1<", "<Type>0<"),
        _in_override("<Type2>2<", "<Type2>1<"),
        _in_override("<VATIndex>2<", "<VATIndex>-1<"),
        _in_override("<ValidFrom>2030-01-01<", "<ValidFrom>2029-12-31<"),
        _in_override("<ValidUntil>2030-12-31<", "<ValidUntil>2031-01-01<"),
        _in_override("<Subshop>B2c<", "<Subshop>B2B<"),
    ],
    "create-charge": [
        ("(<Amount>5.00<.*)<VoucherNumber>[^<]*</VoucherNumber>", r"\g<1>"),
        *_in_fault("ES018"),
    ],
    "sentinels": [*_TEMPLATE_FIELDS[:1], *_TEMPLATE_FIELDS[2:6]],
    "pool": [
        ("<Amount>15.00<", "<Amount>15.01<"),
        ("-2</VoucherNumber>", "-1</VoucherNumber>"),
        ("-3</VoucherNumber>", "-4</VoucherNumber>"),
        *_in_fault("ES024"),
    ],
    "paging": [
        ("(<Num>[^<]*</Num>)(.*)<Num>[^<]*</Num>", r"\1\2\1"),
        ("^(?=.*<LastPage>true)(.*?)<VoucherData>.*?</VoucherData>", r"\1"),
        ("<LastPage>false<", "<LastPage>true<"),
        ("<NextPageToken></NextPageToken>", "<NextPageToken>x</NextPageToken>"),
    ],
    "pool-info": [
        *_LATER,
        None,
        _in("GetVoucherPoolInfo", "<VoucherCount>3<", "<VoucherCount>2<"),
        _in("GetVoucherPoolInfo", "<VoucherCount>0<", "<VoucherCount>1<"),
    ],
    "charge-info": [
        _in("GetVoucherChargeInfo", "<VoucherCount>2500<", "<VoucherCount>2499<"),
        _in("GetVoucherChargeInfo", "<VoucherCount>3<", "<VoucherCount>4<"),
        _in("GetVoucherChargeInfo", "<HasTemplate>true<", "<HasTemplate>false<"),
        _in("GetVoucherChargeInfo", "<HasTemplate>false<", "<HasTemplate>true<"),
    ],
    "umlauts": [
        ("<MsgID>Grüße: 5 €<", "<MsgID>Gruesse: 5 €<"),
        ("<MsgID>Grüße: 5 €<", "<MsgID>Grüße: 5 ?<"),
        ("<Subshop>Köln €<", "<Subshop>Koeln €<"),
        ("<Subshop>Köln €<", "<Subshop>Köln EUR<"),
        ("<MsgID>Grüße: 5 €</MsgID><Amount>7.50<", "<MsgID>Grüße: 5 €</MsgID><Amount>7.51<"),
    ],
    "absent": [
        *_LATER,
        None,
        _in_template("(<Type2>1</Type2>)", r"\g<2><ValidFrom>2026-01-01</ValidFrom>"),
        _in_template("(<VATIndex>-1</VATIndex>)", r"\g<2><CustomerFilter>&lt;n&gt;1&lt;/n&gt;</CustomerFilter>"),
        _in_template("<Amount>", "<MsgID>1</MsgID><Amount>"),
    ],
    "ES002": _in_fault("ES002"),
    "ES009": _in_fault("ES009"),
    "ES019": _in_fault("ES019"),
    "ES024": _in_fault("ES024"),
}

ROUNDS: list[dict[str, Change]] = [
    {check: change for check, change in zip(SPOILS, changes, strict=True) if change is not None}
    for changes in zip_longest(*SPOILS.values())
]


def spoiling(application: WsgiApplication, changes: Sequence[Change]) -> WsgiApplication:
    """The application with these changes made to every answer that they fit."""
    patterns = [(re.compile(pattern, re.DOTALL), replacement) for pattern, replacement in changes]

    def spoiled(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: list[Any] = []
        body = b"".join(application(environ, lambda *head: answer.extend(head))).decode()
        status, headers = answer
        if environ["REQUEST_METHOD"] == "POST":
            for pattern, replacement in patterns:
                body = pattern.sub(replacement, body, count=1)
        content = body.encode()
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(content)))])
        return [content]

    return spoiled


def main() -> int:
    """Run the rounds; exits with 1 when a check is blind."""
    every = runner.stacks()
    parser = argparse.ArgumentParser(prog="python -m interop.spoil", description=__doc__)
    parser.add_argument("--only", action="append", metavar="STACK", choices=every, help=", ".join(every))
    numbers = range(len(ROUNDS))
    parser.add_argument(
        "--round", action="append", type=int, metavar="N", choices=numbers, help="some rounds only"
    )
    arguments = parser.parse_args()
    names = [name for name in every if not arguments.only or name in arguments.only]
    stop_on_signals()
    console = Console(highlight=False, soft_wrap=True)
    found = 0
    for number in arguments.round or numbers:
        changes = ROUNDS[number]
        os.environ[VARIABLE] = str(number)
        with running_service(names) as service:
            for outcome in runner.run(names, service, len(os.sched_getaffinity(0))):
                blind = [check for check in CHECKS if check in changes and check in outcome.verdict.passed]
                findings = [f"{check} does not see: {changes[check]}" for check in blind]
                # A program may end with a code of its own when a check failed; anything else is in the way.
                broken = [hole for hole in outcome.verdict.holes if hole.where not in (*CHECKS, "run")]
                findings += [f"{hole.where}: {hole.why}" for hole in broken]
                for finding in findings:
                    console.print(f"round {number}: {outcome.stack}: {finding}", markup=False)
                found += len(findings)
        console.print(f"round {number}: {len(changes)} checks spoiled, {found} findings so far")
        console.file.flush()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
