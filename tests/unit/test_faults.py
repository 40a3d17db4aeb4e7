"""The fault catalogue: codes and texts to the letter, who has to act, what may be told."""

from __future__ import annotations

import pytest

from soap_service.domain.faults import (
    DETAILED,
    TEXTS,
    FaultCode,
    Side,
    VoucherFault,
    bad_format,
    bad_value,
    missing,
)

# Interface documentation, section "Fehlerbehandlung".
DOCUMENTED = {
    "ES001": "Fehlende ShopID oder Passwort",
    "ES002": "Ungültige ShopID oder ungültiges Passwort",
    "ES005": "Fehler bei Server-Initialisierung",
    "ES007": "SSL erforderlich",
    "ES008": "Falsche Shop-Version",
    "ES009": "Fehlendes Pflichtfeld VoucherCount",
    "ES012": "Formatfehler",
    "ES015": "Ungültiger Request",
    "ES017": "Max. VoucherCount-Wert (1000) überschritten",
    "ES018": "ChargeId existiert bereits",
    "ES019": "ChargeId existiert nicht",
    "ES020": "Charge enthält keine Vorlage",
    "ES021": "Ungültiger Wert",
    "ES022": "Ungültiger Subshop für Anmeldegutschein",
    "ES023": "CreateCharge/ SubscribeVoucher und Pool können nicht gleichzeitig aktiv sein",
    "ES024": "Ungenügende Zahl von Gutscheinen im Pool (25)",
    "ES026": "CreateNextPageToken failed",
    "ES027": "ParseNextPageToken failed",
    "ES028": "ChargeId existiert nicht in DB.",
    "ES029": "ChargeId fehlt.",
    "ES030": "Token ist ungültig.",
}


def test_every_documented_code_is_there_and_no_other() -> None:
    assert [code.value for code in FaultCode] == list(DOCUMENTED)
    assert set(TEXTS) == set(FaultCode)


@pytest.mark.parametrize("code", FaultCode)
def test_the_text_is_the_documented_one(code: FaultCode) -> None:
    fault = VoucherFault(code, field="VoucherCount", expected="a value", count=25)
    assert fault.text == f"{code.value} {DOCUMENTED[code.value]}"


@pytest.mark.parametrize("code", FaultCode)
def test_only_a_service_that_cannot_answer_is_the_servers_fault(code: FaultCode) -> None:
    assert VoucherFault(code).side is (Side.SERVER if code == "ES005" else Side.CLIENT)


@pytest.mark.parametrize("code", FaultCode)
def test_field_faults_may_tell_the_field(code: FaultCode) -> None:
    tells = code in ("ES009", "ES012", "ES017", "ES021", "ES023")
    assert (code in DETAILED) == tells
    assert VoucherFault(code, field="Amount", expected="x").has_detail == tells
    assert not VoucherFault(code).has_detail


def test_what_a_log_line_says() -> None:
    assert str(bad_value("Amount", "an amount above 0")) == "ES021 Ungültiger Wert [Amount: an amount above 0]"
    assert str(VoucherFault(FaultCode.CREDENTIALS_INVALID, "Password", "x")) == (
        "ES002 Ungültige ShopID oder ungültiges Passwort"
    )


@pytest.mark.parametrize(
    ("fault", "code"),
    [(missing("Amount"), "ES009"), (bad_format("Amount", "x"), "ES012"), (bad_value("Amount", "x"), "ES021")],
)
def test_the_short_ways(fault: VoucherFault, code: str) -> None:
    assert (fault.code, fault.field) == (code, "Amount")
    assert fault.has_detail
    with pytest.raises(VoucherFault):
        raise fault
