"""The hand-kept contract ``wsdl/createvouchers.wsdl``, held against the interface documentation's tables.

The file is read alone: neither the program nor a server takes part. Names and order come from the interface
documentation; types, optional fields and the document/literal form from ``docs/decisions.md``.
"""

import string
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
import zeep
from lxml import etree
from xmlschema import XMLSchemaException
from xmlschema.extras.wsdl import Wsdl11Document

WSDL_FILE = Path(__file__).resolve().parents[2] / "wsdl" / "createvouchers.wsdl"

TNS = "http://www.websale.de/"
XSD = "http://www.w3.org/2001/XMLSchema"
WSDL = "http://schemas.xmlsoap.org/wsdl/"
NS = {"wsdl": WSDL, "soap": f"{WSDL}soap/", "xsd": XSD}

OPERATIONS = [
    "CreateVouchers",
    "GetVoucherCharges",
    "GetVoucherCodes",
    "GetVoucherPoolInfo",
    "GetVoucherChargeInfo",
]
WRAPPERS = [name for operation in OPERATIONS for name in (operation, f"{operation}Response")]

# The tables of the interface documentation, row by row: name, type, and how often it comes (nothing: once,
# ?: at most once, *: any number of times). Types without a capital are XML Schema's.
TABLES = {
    # Step 1 of "Generieren und Abrufen von Gutscheinen".
    "CreateVouchersRequestData": """
        ShopID string?, Password string?, MsgID string?, VoucherCount int?, SubscribeVoucher boolean?,
        SubscribeSubshopID string?, ChargeId string?, CreateCharge boolean?, Amount decimal?,
        AmountType int?, AmountMultiCurrency string?, Currency string?, MinOrderValue decimal?,
        MinOrderValueMultiCurrency string?, MaxDiscountValue decimal?,
        MaxDiscountValueMultiCurrency string?, Subshop string?, Type int?, Type2 int?, ValidFrom string?,
        ValidUntil string?, VATIndex int?, Pool boolean?, SubShopValidity string?,
        CustomerFilter string?, CatProdFilterSetBehavior int?, CatProdFilter string?,
        ChargeDescr string?, ChargeLabel string?
    """,
    # Step 2: Amount gives way to AmountMultiCurrency.
    "CreateVouchersResponseData": """
        MsgID string?, Amount decimal?, AmountType int, Currency string, MinOrderValue decimal?,
        Subshop string?, Type int, Type2 int, ValidFrom string?, ValidUntil string?, VATIndex int,
        CustomerFilter string?, CatProdFilterSetBehavior int?, CatProdFilter string?,
        AmountMultiCurrency string?, MinOrderValueMultiCurrency string?,
        MaxDiscountValueMultiCurrency string?, VoucherNumbers VoucherNumbers
    """,
    "VoucherNumbers": "VoucherNumber string*",
    # "Abrufen von Informationen über Gutschein-Chargen".
    "GetVoucherChargesRequestData": "ShopID string?, Password string?, MsgID string?, ChargeType string?",
    "GetVoucherChargesResponseData": "MsgID string?, ChargeList ChargeList",
    "ChargeList": "ChargeData ChargeData*",
    "ChargeData": """
        ChargeId string?, Amount decimal?, AmountType int?, Currency string?, MinOrderValue decimal?,
        SubscribeSubshopID string?, Subshop string?, Type int?, Type2 int?, ValidFrom string?,
        ValidUntil string?, VATIndex int?, ValidFromDays int?, ValidUntilDays int?
    """,
    # "Abruf aller Informationen einer bestimmten Gutschein-Charge".
    "GetVoucherCodesRequestData": """
        ShopID string?, Password string?, MsgID string?, ChargeId string?, PageSize int?,
        NextPageToken string?
    """,
    "GetVoucherCodesResponseData": """
        MsgID string?, VoucherList VoucherList, NextPageToken string, LastPage boolean
    """,
    "VoucherList": "VoucherData VoucherData*",
    "VoucherData": """
        Num string, Amount decimal?, AmountType int, Currency string, MinOrderValue decimal?,
        Subshop string?, Type int, Type2 int, ValidFrom string?, ValidUntil string?, VATIndex int,
        CustomerFilter string?, CatProdFilterSetBehavior int?, CatProdFilter string?,
        AmountMultiCurrency string?, MinOrderValueMultiCurrency string?,
        MaxDiscountValueMultiCurrency string?, ChargeLabel string?
    """,
    # "Abruf von Informationen über den Gutschein-Pool".
    "GetVoucherPoolInfoRequestData": """
        ShopID string?, Password string?, MsgID string?, ChargeId string?, ChargeType string?,
        SubShopValidity string?
    """,
    "GetVoucherPoolInfoResponseData": "MsgID string?, VoucherCount int",
    # "Abruf von Informationen über eine bestimmte Gutschein-Charge".
    "GetVoucherChargeInfoRequestData": "ShopID string?, Password string?, MsgID string?, ChargeId string?",
    "GetVoucherChargeInfoResponseData": "MsgID string?, VoucherCount int, HasTemplate boolean",
}
for _operation in OPERATIONS:
    TABLES[f"{_operation}Type"] = f"request {_operation}RequestData"
    TABLES[f"{_operation}ResponseType"] = f"response {_operation}ResponseData"

OCCURS = {("1", "1"): "", ("0", "1"): "?", ("0", "unbounded"): "*"}


class Field(NamedTuple):
    name: str
    type: str
    occurs: str


def expected(type_name: str) -> list[Field]:
    """The fields of a type as `TABLES` has them, in order."""
    rows = (row.split() for row in TABLES[type_name].split(","))
    return [Field(name, kind.rstrip("?*"), kind.lstrip(string.ascii_letters)) for name, kind in rows]


def qname(element: etree._Element, attribute: str) -> str:
    """The local part of a prefixed name; its namespace is the file's, or XML Schema's without a capital."""
    prefix, _, local = element.get(attribute).partition(":")
    assert element.nsmap[prefix] == (TNS if local[0].isupper() else XSD), dict(element.attrib)
    return local


@pytest.fixture(scope="module")
def wsdl() -> etree._Element:
    return etree.parse(WSDL_FILE).getroot()


@pytest.fixture(scope="module")
def schema(wsdl: etree._Element) -> etree._Element:
    (found,) = wsdl.findall("wsdl:types/xsd:schema", NS)
    return found


@pytest.fixture(scope="module")
def types(schema: etree._Element) -> dict[str, list[Field]]:
    """The named types of the file: name -> fields in order."""
    return {
        complex_type.get("name"): [
            Field(
                field.get("name"),
                qname(field, "type"),
                OCCURS[field.get("minOccurs", "1"), field.get("maxOccurs", "1")],
            )
            for field in complex_type.findall("xsd:sequence/xsd:element", NS)
        ]
        for complex_type in schema.findall("xsd:complexType", NS)
    }


@pytest.fixture(scope="module")
def global_elements(schema: etree._Element) -> dict[str, str]:
    """The global elements of the file: name -> type."""
    return {element.get("name"): qname(element, "type") for element in schema.findall("xsd:element", NS)}


@pytest.fixture(scope="module")
def validator() -> etree.XMLSchema:
    """The embedded schema as text cut out of the file, as some generators do: it must stand alone."""
    text = WSDL_FILE.read_text(encoding="utf-8")
    end = "</xsd:schema>"
    return etree.XMLSchema(etree.fromstring(text[text.index("<xsd:schema") : text.index(end) + len(end)]))


@pytest.fixture(scope="module")
def client() -> zeep.Client:
    return zeep.Client(str(WSDL_FILE))


class TestWsdlDocument:
    def test_is_valid_wsdl_11_with_soap_binding_and_no_dangling_name(self) -> None:
        # By the WSDL 1.1 and SOAP binding schemas that xmlschema carries; then it follows every reference.
        document = Wsdl11Document(str(WSDL_FILE), allow="local")
        assert list(document.services) == [f"{{{TNS}}}createvouchers"]

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            ('style="document" transport', 'style="bogus" transport'),
            ('use="literal"', 'use="liberal"'),
            ('<soap:operation soapAction=""', '<soap:operation action=""'),
            ('element="tns:CreateVouchers"', 'element="tns:Nothing"'),
            ('message="tns:CreateVouchers"', 'message="tns:Nothing"'),
            ('binding="tns:createvouchers"', 'binding="tns:nothing"'),
            ('type="tns:ChargeList"', 'type="tns:Nothing"'),
        ],
    )
    def test_the_validation_above_refuses_a_broken_file(self, right: str, wrong: str) -> None:
        text = WSDL_FILE.read_text(encoding="utf-8")
        assert right in text
        with pytest.raises(XMLSchemaException):
            Wsdl11Document(text.replace(right, wrong, 1), allow="local")

    def test_names(self, wsdl: etree._Element) -> None:
        def names(path: str) -> list[str]:
            return [found.get("name") for found in wsdl.findall(path, NS)]

        assert wsdl.get("targetNamespace") == TNS
        assert names("wsdl:service") == ["createvouchers"]
        assert names("wsdl:service/wsdl:port") == ["createvouchers"]
        assert names("wsdl:binding") == ["createvouchers"]
        assert names("wsdl:portType") == ["createvouchersPortType"]
        assert names("wsdl:portType/wsdl:operation") == OPERATIONS
        assert names("wsdl:binding/wsdl:operation") == OPERATIONS
        assert names("wsdl:message") == WRAPPERS

    def test_one_part_a_message_named_parameters_is_the_wrapper_of_the_same_name(
        self, wsdl: etree._Element
    ) -> None:
        for message in wsdl.findall("wsdl:message", NS):
            (part,) = message.findall("wsdl:part", NS)
            assert set(part.attrib) == {"name", "element"}
            assert part.get("name") == "parameters"
            assert qname(part, "element") == message.get("name")

    def test_every_operation_takes_its_wrapper_and_gives_its_response(self, wsdl: etree._Element) -> None:
        for operation in wsdl.findall("wsdl:portType/wsdl:operation", NS):
            name = operation.get("name")
            assert qname(operation.find("wsdl:input", NS), "message") == name
            assert qname(operation.find("wsdl:output", NS), "message") == f"{name}Response"

    def test_every_operation_is_documented(self, wsdl: etree._Element) -> None:
        texts = [
            operation.findtext("wsdl:documentation", "", NS).strip()
            for operation in wsdl.findall("wsdl:portType/wsdl:operation", NS)
        ]
        assert all(text.endswith(".") for text in texts)
        assert len(set(texts)) == len(OPERATIONS)

    def test_binding_is_document_literal_over_http_with_an_empty_soap_action(self, wsdl: etree._Element) -> None:
        (binding,) = wsdl.findall("wsdl:binding/soap:binding", NS)
        assert dict(binding.attrib) == {
            "style": "document",
            "transport": "http://schemas.xmlsoap.org/soap/http",
        }
        for operation in wsdl.findall("wsdl:binding/wsdl:operation", NS):
            (soap_operation,) = operation.findall("soap:operation", NS)
            assert dict(soap_operation.attrib) == {"soapAction": "", "style": "document"}
            for direction in ("input", "output"):
                (body,) = operation.findall(f"wsdl:{direction}/soap:body", NS)
                assert dict(body.attrib) == {"use": "literal"}

    def test_has_one_address_which_the_server_rewrites(self, wsdl: etree._Element) -> None:
        addresses = wsdl.findall(".//soap:address", NS)
        assert [address.get("location") for address in addresses] == ["https://localhost:8443/createvouchers"]


class TestSchema:
    def test_form(self, schema: etree._Element) -> None:
        assert schema.get("targetNamespace") == TNS
        assert schema.get("elementFormDefault") == "unqualified"
        assert schema.get("attributeFormDefault") == "unqualified"

    def test_uses_only_named_types_made_of_sequences(self, schema: etree._Element) -> None:
        used = {etree.QName(node).localname for node in schema.iter(etree.Element)}
        assert used <= {"schema", "element", "complexType", "sequence", "annotation", "documentation"}
        assert all(
            node.getparent() is schema and node.get("name") for node in schema.iter(f"{{{XSD}}}complexType")
        )
        for element in schema.iter(f"{{{XSD}}}element"):
            assert not list(element)
            assert {"name", "type"} <= set(element.attrib) <= {"name", "type", "minOccurs", "maxOccurs"}

    def test_has_no_nillable(self) -> None:
        assert b"nillable" not in WSDL_FILE.read_bytes()

    def test_has_exactly_the_expected_types(self, types: dict[str, list[Field]]) -> None:
        assert set(types) == set(TABLES)

    @pytest.mark.parametrize("type_name", TABLES)
    def test_fields_are_the_tables_rows_in_order(self, types: dict[str, list[Field]], type_name: str) -> None:
        assert types[type_name] == expected(type_name)

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_every_request_field_is_optional(self, types: dict[str, list[Field]], operation: str) -> None:
        (wrapped,) = types[f"{operation}Type"]
        fields = types[wrapped.type]
        assert len(fields) >= 4
        assert {field.occurs for field in fields} == {"?"}

    def test_global_elements_are_the_wrappers_and_one_per_request_and_response_type(
        self, global_elements: dict[str, str]
    ) -> None:
        data_types = [f"{operation}{half}Data" for operation in OPERATIONS for half in ("Request", "Response")]
        assert global_elements == {
            **{wrapper: f"{wrapper}Type" for wrapper in WRAPPERS},
            **{data_type: data_type for data_type in data_types},
        }


class TestCodeGenerators:
    """Names that known generators stumble over."""

    def test_no_two_generated_classes_differ_in_case_alone(
        self, types: dict[str, list[Field]], wsdl: etree._Element
    ) -> None:
        service = wsdl.find("wsdl:service", NS).get("name")
        port_type = wsdl.find("wsdl:portType", NS).get("name")
        classes = [*types, service, port_type]
        assert len({name.lower() for name in classes}) == len(classes)

    def test_an_element_and_a_type_of_one_name_belong_together(
        self, types: dict[str, list[Field]], global_elements: dict[str, str]
    ) -> None:
        for name in set(types) & set(global_elements):
            assert global_elements[name] == name

    def test_gowsdl_qualifies_the_wrappers_and_nothing_else(
        self, types: dict[str, list[Field]], global_elements: dict[str, str]
    ) -> None:
        # gowsdl gives a type the qualified name of the elements that have it, when all of them, local ones
        # too, share one name that is not the type's own.
        names = defaultdict(set)
        for name, type_name in global_elements.items():
            names[type_name].add(name)
        for fields in types.values():
            for field in fields:
                names[field.type].add(field.name)
        qualified = {
            type_name: min(found)
            for type_name, found in names.items()
            if type_name in types and len(found) == 1 and found != {type_name}
        }
        assert qualified == {f"{wrapper}Type": wrapper for wrapper in WRAPPERS}


REQUEST_EXAMPLE = """\
<ns:CreateVouchers xmlns:ns="http://www.websale.de/"><request>
<ShopID>TestShop</ShopID><Password>geheim</Password><MsgID>123</MsgID><VoucherCount>2</VoucherCount>
<ChargeId>TestCharge</ChargeId><Amount>10.00</Amount><AmountType>0</AmountType>
</request></ns:CreateVouchers>"""

RESPONSE_EXAMPLE = """\
<ns:CreateVouchersResponse xmlns:ns="http://www.websale.de/"><response>
<MsgID>123</MsgID><Amount>10.00</Amount><AmountType>0</AmountType><Currency>EUR</Currency>
<Subshop>B2c,B2B</Subshop><Type>0</Type><Type2>1</Type2><VATIndex>-1</VATIndex>
<VoucherNumbers><VoucherNumber>1234-1234-1234-1234</VoucherNumber>
<VoucherNumber>1235-1235-1235-1235</VoucherNumber></VoucherNumbers>
</response></ns:CreateVouchersResponse>"""

LAST_PAGE = """\
<ns:GetVoucherCodesResponse xmlns:ns="http://www.websale.de/"><response>
<VoucherList/><NextPageToken/><LastPage>true</LastPage>
</response></ns:GetVoucherCodesResponse>"""


class TestMessages:
    """The embedded schema is itself valid, and says yes and no to the right messages."""

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(REQUEST_EXAMPLE, id="the documentation's request"),
            pytest.param(RESPONSE_EXAMPLE, id="the documentation's response"),
            pytest.param(LAST_PAGE, id="an empty last page"),
            pytest.param(
                '<n:GetVoucherPoolInfo xmlns:n="http://www.websale.de/"><request/></n:GetVoucherPoolInfo>',
                id="an empty request",
            ),
            pytest.param(
                REQUEST_EXAMPLE.replace("10.00", "-999999999").replace("TestCharge", "$ChargeVal$"),
                id="the special values",
            ),
        ],
    )
    def test_accepts(self, validator: etree.XMLSchema, message: str) -> None:
        validator.assertValid(etree.fromstring(message))

    @pytest.mark.parametrize(
        ("message", "why"),
        [
            (
                RESPONSE_EXAMPLE.replace("<Type>0</Type><Type2>1</Type2>", "<Type2>1</Type2><Type>0</Type>"),
                "Type2",
            ),
            (RESPONSE_EXAMPLE.replace("<Currency>EUR</Currency>", ""), "Subshop"),
            (RESPONSE_EXAMPLE.replace("10.00", "1E+1"), "xs:decimal"),
            (RESPONSE_EXAMPLE.replace("<Type>0<", "<Type>x<"), "xs:int"),
            (REQUEST_EXAMPLE.replace("request>", "ns:request>"), "request"),
            (REQUEST_EXAMPLE.replace("ns:CreateVouchers", "ns:DeleteVouchers"), "DeleteVouchers"),
            (LAST_PAGE.replace("<NextPageToken/>", ""), "NextPageToken"),
            (LAST_PAGE.replace("true", "ja"), "xs:boolean"),
        ],
    )
    def test_refuses(self, validator: etree.XMLSchema, message: str, why: str) -> None:
        assert not validator.validate(etree.fromstring(message))
        assert why in str(validator.error_log.last_error)


class TestZeep:
    def test_lists_the_five_operations_unwrapped(self, client: zeep.Client) -> None:
        (service,) = client.wsdl.services.values()
        (port,) = service.ports.values()
        assert port.binding_options["address"] == "https://localhost:8443/createvouchers"
        assert {name: str(operation) for name, operation in port.binding.all().items()} == {
            name: f"{name}(request: ns0:{name}RequestData) -> response: ns0:{name}ResponseData"
            for name in OPERATIONS
        }

    def test_writes_a_qualified_wrapper_and_unqualified_fields_in_order(self, client: zeep.Client) -> None:
        # Arguments in the wrong order: the sequence decides.
        envelope = client.create_message(
            client.service,
            "CreateVouchers",
            request={"Amount": "10.00", "VoucherCount": 2, "ShopID": "TestShop", "Pool": False},
        )
        (wrapper,) = envelope.find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
        assert wrapper.tag == f"{{{TNS}}}CreateVouchers"
        (request,) = wrapper
        assert request.tag == "request"
        assert [(field.tag, field.text) for field in request] == [
            ("ShopID", "TestShop"),
            ("VoucherCount", "2"),
            ("Amount", "10.00"),
            ("Pool", "false"),
        ]
