// An integrator's whole day in C++, with the proxy that wsdl2h and soapcpp2 make of the WSDL.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "createvouchers.nsmap"
#include "soapcreatevouchersProxy.h"

static std::string environment(const char *name)
{
    const char *value = std::getenv(name);
    return value ? value : "";
}

static const std::string shop = "TestShop";
static const std::string password = "geheim";
static const std::string stack = environment("CV_STACK");

// [connect]
// SOAP_C_UTFSTRING: strings are UTF-8. Without it every byte counts as a Latin-1 character, and umlauts break.
static createvouchersProxy service(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE);

static void connect(const char *url, const char *ca_file)
{
    std::signal(SIGPIPE, SIG_IGN); // a broken connection is an error of the call, not the end of the program
    soap_ssl_init();
    // SOAP_SSL_DEFAULT checks the server's certificate and name.
    if (soap_ssl_client_context(service.soap, SOAP_SSL_DEFAULT, NULL, NULL, ca_file, NULL, NULL) != SOAP_OK)
        throw std::runtime_error("cannot read the CA file");
    service.soap_endpoint = url; // without this, the address in the WSDL
    service.soap->connect_timeout = 10; // seconds
    service.soap->send_timeout = service.soap->recv_timeout = 30;
}
// [/connect]

// [faults]
struct Fault : std::runtime_error { // what() is the faultstring, such as "ES019 ChargeId existiert nicht"
    using std::runtime_error::runtime_error;
};

struct NoAnswer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Calls one operation of the proxy. The wrapper is what is in the Body: an element around the request.
template <class Wrapper, class Reply, class Request>
static auto call(int (createvouchersProxy::*operation)(Wrapper *, Reply &), Request &request)
    -> decltype(*Reply::response) &
{
    Wrapper wrapper;
    wrapper.request = &request;
    Reply reply;
    if ((service.*operation)(&wrapper, reply) == SOAP_OK)
        return *reply.response;
    if (soap_soap_error_check(service.soap->error))
        throw Fault(service.soap_fault_string());
    char why[500];
    throw NoAnswer(service.soap_sprint_fault(why, sizeof why)); // TLS, TCP, HTTP, or an answer that is not SOAP
}
// [/faults]

// [first-call]
// Optional fields are pointers, NULL when absent. What these return lives until service.destroy().
static std::string *text(const std::string &value)
{
    std::string *kept = soap_new_std__string(service.soap);
    *kept = value;
    return kept;
}

static int *number(int value)
{
    int *kept = soap_new_int(service.soap);
    *kept = value;
    return kept;
}

static bool *flag(bool value)
{
    bool *kept = soap_new_bool(service.soap);
    *kept = value;
    return kept;
}

static ns1__CreateVouchersRequestData request(const std::string &charge, int count)
{
    ns1__CreateVouchersRequestData request;
    request.ShopID = text(shop);
    request.Password = text(password);
    request.ChargeId = text(charge);
    request.VoucherCount = number(count);
    return request;
}

static ns1__CreateVouchersResponseData create(ns1__CreateVouchersRequestData request)
{
    return call(&createvouchersProxy::CreateVouchers, request);
}

static ns1__CreateVouchersResponseData create_one()
{
    ns1__CreateVouchersResponseData made = create(request("Vorlage", 1));
    std::printf("%s over %s %s\n", made.VoucherNumbers->VoucherNumber.front().c_str(), made.Amount->c_str(),
        made.Currency.c_str());
    return made;
}
// [/first-call]

// [safe-retries]
// Made twice with the same key and the same request, the call still creates its vouchers only once.
static ns1__CreateVouchersResponseData create_safely(ns1__CreateVouchersRequestData request, const std::string &key)
{
    const std::string header = "Idempotency-Key: " + key;
    for (int attempt = 1;; attempt++) {
        service.soap->http_extra_header = header.c_str(); // for one call only
        try {
            return create(request);
        } catch (const NoAnswer &) { // nobody knows whether the vouchers are there
            if (attempt == 5)
                throw;
        } catch (const Fault &fault) { // ES005: the service cannot answer now
            if (attempt == 5 || std::string(fault.what()).compare(0, 5, "ES005") != 0)
                throw;
        }
        std::this_thread::sleep_for(std::chrono::seconds(attempt));
    }
}
// [/safe-retries]

// What the checks below are made of.

static std::string shown(const std::string &value) { return value; }
static std::string shown(const char *value) { return value; }
static std::string shown(const std::string *value) { return value ? *value : "(absent)"; }
static std::string shown(long value) { return std::to_string(value); }

template <class Seen, class Wanted> static void equal(const Seen &seen, const Wanted &wanted)
{
    if (shown(seen) != shown(wanted))
        throw std::runtime_error(shown(wanted) + " wanted, " + shown(seen) + " seen");
}

static void is_fault(const std::string &text, const std::function<void()> &work)
{
    try {
        work();
    } catch (const Fault &fault) {
        equal(fault.what(), text);
        return;
    }
    throw std::runtime_error("no fault");
}

static void are_codes(const std::vector<std::string> &codes, std::size_t count)
{
    static const std::regex form("[A-Z0-9]{4}(-[A-Z0-9]{4}){3}");
    for (const std::string &code : codes)
        if (!std::regex_match(code, form))
            throw std::runtime_error("no code: " + code);
    equal(codes.size(), count);
    equal(std::set<std::string>(codes.begin(), codes.end()).size(), count);
}

static std::string random_key()
{
    std::random_device random;
    return std::to_string(random()) + "-" + std::to_string(random());
}

// The checks.

static std::map<std::string, ns1__ChargeData> listed(const char *charge_type)
{
    ns1__GetVoucherChargesRequestData wanted;
    wanted.ShopID = text(shop);
    wanted.Password = text(password);
    if (charge_type)
        wanted.ChargeType = text(charge_type);
    std::map<std::string, ns1__ChargeData> found;
    for (const ns1__ChargeData *charge : call(&createvouchersProxy::GetVoucherCharges, wanted).ChargeList->ChargeData)
        found[*charge->ChargeId] = *charge;
    return found;
}

static void charges()
{
    std::map<std::string, ns1__ChargeData> templates = listed(NULL);
    equal(templates["Vorlage"].Amount, "10.00");
    equal(templates["Vorlage"].Currency, "EUR");
    equal(templates.count("OhneVorlage"), 0);

    std::map<std::string, ns1__ChargeData> all = listed("all");
    equal(all["Vorlage"].Amount, "10.00");
    equal(all.count("OhneVorlage"), 1);
    equal(all["OhneVorlage"].Amount, "(absent)");
}

static ns1__CreateVouchersResponseData one;

static void create_1()
{
    one = create_one();
    are_codes(one.VoucherNumbers->VoucherNumber, 1);
    equal(one.Amount, "10.00"); // xsd:decimal is a text here: exact, two decimals
    equal(one.AmountType, 0);
    equal(one.Currency, "EUR");
    equal(one.MinOrderValue, "50.00");
    equal(one.Subshop, "B2c,B2B");
    equal(one.Type, 0);
    equal(one.Type2, 1);
    equal(one.VATIndex, -1);
}

static void create_2()
{
    const std::string key = random_key();
    const std::vector<std::string> made = create_safely(request("Vorlage", 2), key).VoucherNumbers->VoucherNumber;
    are_codes(made, 2);
    const std::vector<std::string> again = create_safely(request("Vorlage", 2), key).VoucherNumbers->VoucherNumber;
    equal(again.size(), 2);
    equal(again[0], made[0]);
    equal(again[1], made[1]);
}

static void create_1000() { are_codes(create(request("Vorlage", 1000)).VoucherNumbers->VoucherNumber, 1000); }

static void override_fields()
{
    ns1__CreateVouchersRequestData wanted = request("Vorlage", 1);
    wanted.Amount = text("25.50");
    wanted.MinOrderValue = text("99.90");
    wanted.Type = number(1);
    wanted.Type2 = number(2);
    wanted.VATIndex = number(2);
    wanted.ValidFrom = text("2030-01-01");
    wanted.ValidUntil = text("2030-12-31");
    wanted.Subshop = text("B2c");
    ns1__CreateVouchersResponseData made = create(wanted);
    are_codes(made.VoucherNumbers->VoucherNumber, 1);
    equal(made.Amount, "25.50");
    equal(made.MinOrderValue, "99.90");
    equal(made.Type, 1);
    equal(made.Type2, 2);
    equal(made.VATIndex, 2);
    equal(made.ValidFrom, "2030-01-01");
    equal(made.ValidUntil, "2030-12-31");
    equal(made.Subshop, "B2c");
}

static void create_charge()
{
    ns1__CreateVouchersRequestData wanted = request("Neu-" + stack, 3);
    wanted.CreateCharge = flag(true);
    wanted.Amount = text("5.00");
    wanted.ChargeDescr = text("Made by " + stack);
    ns1__CreateVouchersResponseData made = create(wanted);
    are_codes(made.VoucherNumbers->VoucherNumber, 3);
    equal(made.Amount, "5.00");
    is_fault("ES018 ChargeId existiert bereits", [&] { create(wanted); });
}

static void sentinels()
{
    ns1__CreateVouchersRequestData wanted = request("Vorlage", 1);
    wanted.Subshop = text("$ChargeVal$");
    wanted.Currency = text("$ChargeVal$");
    wanted.Type = number(-999999999);
    wanted.Amount = text("-999999999");
    wanted.MinOrderValue = text("-999999999");
    ns1__CreateVouchersResponseData made = create(wanted);
    equal(made.Subshop, "B2c,B2B");
    equal(made.Currency, "EUR");
    equal(made.Type, 0);
    equal(made.Amount, "10.00");
    equal(made.MinOrderValue, "50.00");
}

static ns1__CreateVouchersRequestData from_pool(int count)
{
    ns1__CreateVouchersRequestData wanted = request("Pool-" + stack, count);
    wanted.Pool = flag(true);
    return wanted;
}

static int count_pool()
{
    ns1__GetVoucherPoolInfoRequestData wanted;
    wanted.ShopID = text(shop);
    wanted.Password = text(password);
    wanted.ChargeId = text("Pool-" + stack);
    return call(&createvouchersProxy::GetVoucherPoolInfo, wanted).VoucherCount;
}

static int in_pool = -1;

static void pool()
{
    in_pool = count_pool();
    for (int left = 3; left > 0; --left) {
        ns1__CreateVouchersResponseData drawn = create(from_pool(1));
        equal(drawn.VoucherNumbers->VoucherNumber.size(), 1);
        equal(drawn.VoucherNumbers->VoucherNumber[0], stack + "-" + std::to_string(4 - left));
        equal(drawn.Amount, "15.00");
    }
    is_fault("ES024 Ungenügende Zahl von Gutscheinen im Pool (1)", [] { create(from_pool(1)); });
}

static void paging()
{
    ns1__GetVoucherCodesRequestData wanted;
    wanted.ShopID = text(shop);
    wanted.Password = text(password);
    wanted.ChargeId = text("Seiten");
    std::set<std::string> seen;
    for (int number = 1; number <= 3; ++number) {
        ns1__GetVoucherCodesResponseData page = call(&createvouchersProxy::GetVoucherCodes, wanted);
        for (const ns1__VoucherData *voucher : page.VoucherList->VoucherData)
            seen.insert(voucher->Num);
        equal(page.VoucherList->VoucherData.size(), number < 3 ? 1000 : 500);
        equal(page.LastPage, number == 3);
        equal(page.NextPageToken.empty(), number == 3);
        wanted.NextPageToken = text(page.NextPageToken);
    }
    equal(seen.size(), 2500);
}

static void pool_info()
{
    equal(in_pool, 3);
    equal(count_pool(), 0);
}

static void charge_info()
{
    ns1__GetVoucherChargeInfoRequestData wanted;
    wanted.ShopID = text(shop);
    wanted.Password = text(password);
    wanted.ChargeId = text("Seiten");
    ns1__GetVoucherChargeInfoResponseData info = call(&createvouchersProxy::GetVoucherChargeInfo, wanted);
    equal(info.VoucherCount, 2500);
    equal(info.HasTemplate, true);
    wanted.ChargeId = text("Neu-" + stack);
    info = call(&createvouchersProxy::GetVoucherChargeInfo, wanted);
    equal(info.VoucherCount, 3);
    equal(info.HasTemplate, false);
}

static void umlauts()
{
    ns1__CreateVouchersRequestData wanted = request("Frühling €", 1);
    wanted.MsgID = text("Grüße: 5 €");
    ns1__CreateVouchersResponseData made = create(wanted);
    equal(made.MsgID, "Grüße: 5 €");
    equal(made.Subshop, "Köln €");
    equal(made.Amount, "7.50");
}

static void absent()
{
    equal(one.MinOrderValue, "50.00");
    equal(one.ValidFrom == NULL, true);
    equal(one.CustomerFilter == NULL, true);
    equal(one.MsgID == NULL, true);
}

static void wrong_password()
{
    ns1__CreateVouchersRequestData wanted = request("Vorlage", 1);
    wanted.Password = text("falsch");
    is_fault("ES002 Ungültige ShopID oder ungültiges Passwort", [&] { create(wanted); });
}

static void no_count()
{
    ns1__CreateVouchersRequestData wanted = request("Vorlage", 1);
    wanted.VoucherCount = NULL;
    is_fault("ES009 Fehlendes Pflichtfeld VoucherCount", [&] { create(wanted); });
}

static void unknown_charge()
{
    is_fault("ES019 ChargeId existiert nicht", [] { create(request("gibt es nicht", 1)); });
}

static void empty_pool()
{
    is_fault("ES024 Ungenügende Zahl von Gutscheinen im Pool (2)", [] { create(from_pool(2)); });
}

static bool check(const char *name, void (*work)())
{
    try {
        work();
        std::printf("ok %s\n", name);
        return true;
    } catch (const std::exception &error) {
        const std::string why = std::regex_replace(std::string(error.what()), std::regex("\\s+"), " ");
        std::printf("FAIL %s %s\n", name, why.c_str());
        return false;
    }
}

int main()
{
    connect(std::getenv("CV_URL"), std::getenv("CV_CA"));
    const std::pair<const char *, void (*)()> checks[] = {
        {"charges", charges},
        {"create-1", create_1},
        {"create-2", create_2},
        {"create-1000", create_1000},
        {"override", override_fields},
        {"create-charge", create_charge},
        {"sentinels", sentinels},
        {"pool", pool},
        {"paging", paging},
        {"pool-info", pool_info},
        {"charge-info", charge_info},
        {"umlauts", umlauts},
        {"absent", absent},
        {"ES002", wrong_password},
        {"ES009", no_count},
        {"ES019", unknown_charge},
        {"ES024", empty_pool},
    };
    bool good = true;
    for (const auto &one_of_them : checks)
        good = check(one_of_them.first, one_of_them.second) && good;
    service.destroy(); // frees everything sent and received; a program that goes on does it after each piece of work
    return good ? 0 : 1;
}
