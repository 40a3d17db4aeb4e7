"""The messages that Spyne declares are those of the WSDL: same types, members, order, occurrence and XSD types."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from lxml import etree

from soap_service.operations.house import House
from soap_service.paths import wsdl_file
from soap_service.soap import messages
from soap_service.soap.service import VoucherApplication
from soap_service.store.engine import Store
from tests.support.soap import TNS

NS = {"wsdl": "http://schemas.xmlsoap.org/wsdl/", "xsd": "http://www.w3.org/2001/XMLSchema"}


class Member(NamedTuple):
    name: str
    type: str
    least: int
    most: float


def _occurs(text: str) -> float:
    return float("inf") if text == "unbounded" else int(text)


def _from_wsdl() -> dict[str, list[Member]]:
    schema = etree.parse(wsdl_file()).find("wsdl:types/xsd:schema", NS)
    return {
        kind.get("name"): [
            Member(
                element.get("name"),
                element.get("type"),
                int(element.get("minOccurs", "1")),
                _occurs(element.get("maxOccurs", "1")),
            )
            for element in kind.findall("xsd:sequence/xsd:element", NS)
        ]
        for kind in schema.findall("xsd:complexType", NS)
    }


def _type_name(kind: Any) -> str:
    prefix = {TNS: "tns", NS["xsd"]: "xsd", "http://www.w3.org/2001/XMLSchema": "xsd"}[kind.get_namespace()]
    return f"{prefix}:{kind.get_type_name()}"


def _members(message: Any) -> list[Member]:
    return [
        Member(name, _type_name(kind), int(kind.Attributes.min_occurs), float(kind.Attributes.max_occurs))
        for name, kind in message._type_info.items()
    ]


WSDL_TYPES = _from_wsdl()
DECLARED = {
    value.get_type_name(): value
    for name, value in vars(messages).items()
    if hasattr(value, "_type_info") and name != "ComplexModel"
}
WRAPPERS = sorted(name for name in WSDL_TYPES if name.endswith("Type"))


@pytest.fixture(scope="module")
def application() -> VoucherApplication:
    return VoucherApplication(House(Store("sqlite:////no-such-directory/store.db")))


def test_the_same_types_are_declared() -> None:
    assert set(DECLARED) == set(WSDL_TYPES) - set(WRAPPERS)
    assert len(WRAPPERS) == 10


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_members(name: str) -> None:
    assert _members(DECLARED[name]) == WSDL_TYPES[name]


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_members_are_unqualified_and_not_nillable(name: str) -> None:
    for kind in DECLARED[name]._type_info.values():
        assert kind.Attributes.sub_ns == ""
        assert not kind.Attributes.nillable


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers(application: VoucherApplication, wrapper: str) -> None:
    element = wrapper.removesuffix("Type")
    operation = element.removesuffix("Response")
    (method,) = application.interface.service_method_map[f"{{{TNS}}}{operation}"]
    message = method.out_message if element.endswith("Response") else method.in_message
    assert (message.get_namespace(), message.get_type_name()) == (TNS, element)
    assert _members(message) == WSDL_TYPES[wrapper]
    (member,) = message._type_info.values()
    assert member.Attributes.sub_ns == ""


def test_the_same_operations_are_served(application: VoucherApplication) -> None:
    operations = etree.parse(wsdl_file()).findall("wsdl:portType/wsdl:operation", NS)
    assert set(application.interface.service_method_map) == {
        f"{{{TNS}}}{found.get('name')}" for found in operations
    }
