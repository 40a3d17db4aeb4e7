// An integrator's whole day in Qt, with the stubs that kdwsdl2cpp makes of the WSDL.

#include <KDSoapClient/KDSoapFaultException.h>
#include <KDSoapClient/KDSoapMessage.h>
#include <QCoreApplication>
#include <QEventLoop>
#include <QMap>
#include <QRegularExpression>
#include <QSet>
#include <QSslCertificate>
#include <QSslConfiguration>
#include <QThread>
#include <QUuid>
#include <cstdio>
#include <functional>

#include "wsdl_createvouchers.h"

namespace {

const QString shop = QStringLiteral("TestShop");
const QString password = QStringLiteral("geheim");
const QString stack = qEnvironmentVariable("CV_STACK");

// [trust]
// Qt checks certificates against the system's authorities; this adds one more for this service alone.
void trust(Createvouchers &service, const QString &caFile)
{
    QSslConfiguration tls = service.clientInterface()->sslConfiguration();
    tls.addCaCertificates(caFile);
    service.clientInterface()->setSslConfiguration(tls);
}
// [/trust]

// [faults]
struct Fault {
    QString text; // the faultstring, such as "ES019 ChargeId existiert nicht"
};

// Without any answer the "faultcode" is a number, that of Qt's QNetworkReply::NetworkError.
struct NoAnswer {
    QString text;
};

// Starts a job and waits for it. A program with windows connects to finished() instead, and goes on.
template<class Job, class Request>
auto send(Createvouchers &service, const Request &request)
{
    Job job(&service);
    job.setAutoDelete(false);
    auto parameters = job.parameters(); // what is in the Body: an element around the request
    parameters.setRequest(request);
    job.setParameters(parameters);
    QEventLoop waiting;
    QObject::connect(&job, &KDSoapJob::finished, &waiting, &QEventLoop::quit);
    job.start();
    waiting.exec();
    if (job.isFault()) {
        KDSoapFaultException fault;
        fault.deserialize(job.reply());
        bool noAnswer = false;
        fault.faultCode().toInt(&noAnswer);
        if (noAnswer)
            throw NoAnswer{fault.faultString()};
        throw Fault{fault.faultString()};
    }
    return job.resultParameters().response();
}
// [/faults]

// [money]
// The stubs keep money in 32-bit floats, which are exact to the cent up to 131,072.00. Count in cents.
float toWire(qint64 cents)
{
    return float(double(cents) / 100);
}

qint64 toCents(float amount)
{
    return qRound64(double(amount) * 100);
}
// [/money]

// [first-call]
TNS__CreateVouchersRequestData request(const QString &charge, int count)
{
    TNS__CreateVouchersRequestData request;
    request.setShopID(shop);
    request.setPassword(password);
    request.setChargeId(charge);
    request.setVoucherCount(count);
    return request;
}

TNS__CreateVouchersResponseData createOne(Createvouchers &service)
{
    const auto made = send<CreateVouchersJob>(service, request("Vorlage", 1));
    qInfo().noquote() << made.voucherNumbers().voucherNumber().first() << "over" << toCents(made.amount()) << "cents";
    return made;
}
// [/first-call]

// [safe-retries]
// Made twice with the same key and the same request, the call still creates its vouchers only once.
TNS__CreateVouchersResponseData createSafely(
    Createvouchers &service, const TNS__CreateVouchersRequestData &request, const QByteArray &key)
{
    KDSoapClientInterface *client = service.clientInterface();
    client->setRawHTTPHeaders({{"Idempotency-Key", key}}); // with every call until it is taken away
    struct TakeAway {
        KDSoapClientInterface *client;
        ~TakeAway() { client->setRawHTTPHeaders({}); }
    } takeAway{client};
    for (int attempt = 1;; attempt++) {
        try {
            return send<CreateVouchersJob>(service, request);
        } catch (const NoAnswer &) { // nobody knows whether the vouchers are there
            if (attempt == 5)
                throw;
        } catch (const Fault &fault) { // ES005: the service cannot answer now
            if (attempt == 5 || !fault.text.startsWith(QLatin1String("ES005")))
                throw;
        }
        QThread::sleep(attempt);
    }
}
// [/safe-retries]

// What the checks below are made of.

struct Failed {
    QString why;
};

template<class Seen, class Wanted>
void equal(const Seen &seen, const Wanted &wanted)
{
    if (!(seen == wanted))
        throw Failed{QStringLiteral("%1 wanted, %2 seen").arg(wanted).arg(seen)};
}

void isFault(const QString &text, const std::function<void()> &call)
{
    try {
        call();
    } catch (const Fault &fault) {
        equal(fault.text, text);
        return;
    }
    throw Failed{"no fault"};
}

void areCodes(const QStringList &codes, int count)
{
    static const QRegularExpression form("^[A-Z0-9]{4}(-[A-Z0-9]{4}){3}$");
    for (const QString &code : codes)
        if (!form.match(code).hasMatch())
            throw Failed{"no code: " + code};
    equal(codes.size(), count);
    equal(QSet<QString>(codes.begin(), codes.end()).size(), count);
}

class Day
{
public:
    explicit Day(Createvouchers &service)
        : m_service(service)
    {
    }

    void charges()
    {
        TNS__GetVoucherChargesRequestData request;
        request.setShopID(shop);
        request.setPassword(password);
        const auto templates = listed(request);
        equal(toCents(templates["Vorlage"].amount()), 1000);
        equal(templates["Vorlage"].currency(), "EUR");
        equal(templates.contains("OhneVorlage"), false);

        request.setChargeType("all");
        const auto all = listed(request);
        equal(toCents(all["Vorlage"].amount()), 1000);
        equal(all.contains("OhneVorlage"), true);
        equal(all["OhneVorlage"].hasValueForAmount(), false);
    }

    void create1()
    {
        m_one = createOne(m_service);
        areCodes(codes(m_one), 1);
        equal(toCents(m_one.amount()), 1000);
        equal(m_one.amountType(), 0);
        equal(m_one.currency(), "EUR");
        equal(toCents(m_one.minOrderValue()), 5000);
        equal(m_one.subshop(), "B2c,B2B");
        equal(m_one.type(), 0);
        equal(m_one.type2(), 1);
        equal(m_one.vATIndex(), -1);
    }

    void create2()
    {
        const QByteArray key = QUuid::createUuid().toByteArray(QUuid::WithoutBraces);
        const QStringList made = codes(createSafely(m_service, request("Vorlage", 2), key));
        areCodes(made, 2);
        equal(codes(createSafely(m_service, request("Vorlage", 2), key)).join(' '), made.join(' '));
    }

    void create1000() { areCodes(codes(create(request("Vorlage", 1000))), 1000); }

    void override()
    {
        auto wanted = request("Vorlage", 1);
        wanted.setAmount(toWire(2550));
        wanted.setMinOrderValue(toWire(9990));
        wanted.setType(1);
        wanted.setType2(2);
        wanted.setVATIndex(2);
        wanted.setValidFrom("2030-01-01");
        wanted.setValidUntil("2030-12-31");
        wanted.setSubshop("B2c");
        const auto made = create(wanted);
        areCodes(codes(made), 1);
        equal(toCents(made.amount()), 2550);
        equal(toCents(made.minOrderValue()), 9990);
        equal(made.type(), 1);
        equal(made.type2(), 2);
        equal(made.vATIndex(), 2);
        equal(made.validFrom(), "2030-01-01");
        equal(made.validUntil(), "2030-12-31");
        equal(made.subshop(), "B2c");
    }

    void createCharge()
    {
        auto wanted = request("Neu-" + stack, 3);
        wanted.setCreateCharge(true);
        wanted.setAmount(toWire(500));
        wanted.setChargeDescr("Made by " + stack);
        const auto made = create(wanted);
        areCodes(codes(made), 3);
        equal(toCents(made.amount()), 500);
        isFault("ES018 ChargeId existiert bereits", [&] { create(wanted); });
    }

    void sentinels()
    {
        auto wanted = request("Vorlage", 1);
        wanted.setSubshop("$ChargeVal$");
        wanted.setCurrency("$ChargeVal$");
        wanted.setType(-999999999);
        wanted.setAmount(-999999999.0f); // becomes -1000000000, which is as good
        wanted.setMinOrderValue(-999999999.0f);
        const auto made = create(wanted);
        equal(made.subshop(), "B2c,B2B");
        equal(made.currency(), "EUR");
        equal(made.type(), 0);
        equal(toCents(made.amount()), 1000);
        equal(toCents(made.minOrderValue()), 5000);
    }

    void pool()
    {
        m_inPool = countPool();
        for (int number = 1; number <= 3; ++number) {
            const auto drawn = create(fromPool(1));
            equal(codes(drawn).join(' '), QStringLiteral("%1-%2").arg(stack).arg(number));
            equal(toCents(drawn.amount()), 1500);
        }
        isFault("ES024 Ungenügende Zahl von Gutscheinen im Pool (1)", [&] { create(fromPool(1)); });
    }

    void paging()
    {
        TNS__GetVoucherCodesRequestData wanted;
        wanted.setShopID(shop);
        wanted.setPassword(password);
        wanted.setChargeId("Seiten");
        QSet<QString> seen;
        QStringList pages;
        TNS__GetVoucherCodesResponseData page;
        do {
            page = send<GetVoucherCodesJob>(m_service, wanted);
            const auto vouchers = page.voucherList().voucherData();
            for (const TNS__VoucherData &voucher : vouchers)
                seen.insert(voucher.num());
            pages.append(QStringLiteral("%1 %2").arg(vouchers.size()).arg(page.lastPage()));
            wanted.setNextPageToken(page.nextPageToken());
        } while (!page.lastPage() && pages.size() < 10);
        equal(pages.join(", "), "1000 0, 1000 0, 500 1");
        equal(seen.size(), 2500);
        equal(page.nextPageToken(), "");
    }

    void poolInfo()
    {
        equal(m_inPool, 3);
        equal(countPool(), 0);
    }

    void chargeInfo()
    {
        TNS__GetVoucherChargeInfoRequestData wanted;
        wanted.setShopID(shop);
        wanted.setPassword(password);
        wanted.setChargeId("Seiten");
        auto info = send<GetVoucherChargeInfoJob>(m_service, wanted);
        equal(info.voucherCount(), 2500);
        equal(info.hasTemplate(), true);
        wanted.setChargeId("Neu-" + stack);
        info = send<GetVoucherChargeInfoJob>(m_service, wanted);
        equal(info.voucherCount(), 3);
        equal(info.hasTemplate(), false);
    }

    void umlauts()
    {
        auto wanted = request("Frühling €", 1);
        wanted.setMsgID("Grüße: 5 €");
        const auto made = create(wanted);
        equal(made.msgID(), "Grüße: 5 €");
        equal(made.subshop(), "Köln €");
        equal(toCents(made.amount()), 750);
    }

    void absent()
    {
        equal(m_one.hasValueForMinOrderValue(), true);
        equal(m_one.hasValueForValidFrom(), false);
        equal(m_one.hasValueForCustomerFilter(), false);
        equal(m_one.hasValueForMsgID(), false);
    }

    void wrongPassword()
    {
        auto wanted = request("Vorlage", 1);
        wanted.setPassword("falsch");
        isFault("ES002 Ungültige ShopID oder ungültiges Passwort", [&] { create(wanted); });
    }

    void noCount()
    {
        TNS__CreateVouchersRequestData wanted;
        wanted.setShopID(shop);
        wanted.setPassword(password);
        wanted.setChargeId("Vorlage");
        isFault("ES009 Fehlendes Pflichtfeld VoucherCount", [&] { create(wanted); });
    }

    void unknownCharge()
    {
        isFault("ES019 ChargeId existiert nicht", [&] { create(request("gibt es nicht", 1)); });
    }

    void emptyPool()
    {
        isFault("ES024 Ungenügende Zahl von Gutscheinen im Pool (2)", [&] { create(fromPool(2)); });
    }

private:
    TNS__CreateVouchersResponseData create(const TNS__CreateVouchersRequestData &wanted)
    {
        return send<CreateVouchersJob>(m_service, wanted);
    }

    static QStringList codes(const TNS__CreateVouchersResponseData &made)
    {
        return made.voucherNumbers().voucherNumber();
    }

    QMap<QString, TNS__ChargeData> listed(const TNS__GetVoucherChargesRequestData &wanted)
    {
        QMap<QString, TNS__ChargeData> found;
        const auto charges = send<GetVoucherChargesJob>(m_service, wanted).chargeList().chargeData();
        for (const TNS__ChargeData &charge : charges)
            found.insert(charge.chargeId(), charge);
        return found;
    }

    static TNS__CreateVouchersRequestData fromPool(int count)
    {
        auto wanted = request("Pool-" + stack, count);
        wanted.setPool(true);
        return wanted;
    }

    int countPool()
    {
        TNS__GetVoucherPoolInfoRequestData wanted;
        wanted.setShopID(shop);
        wanted.setPassword(password);
        wanted.setChargeId("Pool-" + stack);
        return send<GetVoucherPoolInfoJob>(m_service, wanted).voucherCount();
    }

    Createvouchers &m_service;
    TNS__CreateVouchersResponseData m_one;
    int m_inPool = -1;
};

bool check(const char *name, const std::function<void()> &work)
{
    QString why;
    try {
        work();
        std::printf("ok %s\n", name);
        return true;
    } catch (const Failed &failed) {
        why = failed.why;
    } catch (const Fault &fault) {
        why = "fault: " + fault.text;
    } catch (const NoAnswer &nothing) {
        why = "no answer: " + nothing.text;
    }
    std::printf("FAIL %s %s\n", name, qUtf8Printable(why.simplified()));
    return false;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    // [connect]
    Createvouchers service;
    service.setEndPoint(qEnvironmentVariable("CV_URL")); // without this, the address in the WSDL
    service.clientInterface()->setTimeout(30000);
    trust(service, qEnvironmentVariable("CV_CA"));
    // [/connect]

    Day day(service);
    const QList<QPair<const char *, void (Day::*)()>> checks = {
        {"charges", &Day::charges},
        {"create-1", &Day::create1},
        {"create-2", &Day::create2},
        {"create-1000", &Day::create1000},
        {"override", &Day::override},
        {"create-charge", &Day::createCharge},
        {"sentinels", &Day::sentinels},
        {"pool", &Day::pool},
        {"paging", &Day::paging},
        {"pool-info", &Day::poolInfo},
        {"charge-info", &Day::chargeInfo},
        {"umlauts", &Day::umlauts},
        {"absent", &Day::absent},
        {"ES002", &Day::wrongPassword},
        {"ES009", &Day::noCount},
        {"ES019", &Day::unknownCharge},
        {"ES024", &Day::emptyPool},
    };
    bool good = true;
    for (const auto &[name, work] : checks)
        good = check(name, [&, work = work] { (day.*work)(); }) && good;
    return good ? 0 : 1;
}
