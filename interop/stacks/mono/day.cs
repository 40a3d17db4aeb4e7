// An integrator's whole day in .NET, with the proxy that wsdl.exe makes of the WSDL.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Web.Services.Protocols;
using Vouchers;

static class Day {
    static readonly string Stack = Environment.GetEnvironmentVariable("CV_STACK");
    // [connect]
    static readonly VoucherService Service = new VoucherService {
        Url = Environment.GetEnvironmentVariable("CV_URL"), // without this, the address in the WSDL
        Timeout = 30000,
    };
    // [/connect]

    // [first-call]
    // Every field that is not a class (int, decimal, bool) has a twin ...Specified. It is sent only when the twin is true.
    static CreateVouchersRequestData Request(string charge, int count) {
        return new CreateVouchersRequestData {
            ShopID = "TestShop",
            Password = "geheim",
            ChargeId = charge,
            VoucherCount = count,
            VoucherCountSpecified = true,
        };
    }

    static CreateVouchersResponseData CreateOne() {
        var made = Service.CreateVouchers(Request("Vorlage", 1));
        Console.WriteLine("{0} over {1} {2}", made.VoucherNumbers[0], made.Amount, made.Currency);
        return made;
    }
    // [/first-call]

    static void Charges() {
        var request = new GetVoucherChargesRequestData { ShopID = "TestShop", Password = "geheim" };
        var templates = Service.GetVoucherCharges(request).ChargeList.ToDictionary(charge => charge.ChargeId);
        Equal(10.00m, templates["Vorlage"].Amount);
        Equal("EUR", templates["Vorlage"].Currency);
        Equal(false, templates.ContainsKey("OhneVorlage"));

        request.ChargeType = "all";
        var all = Service.GetVoucherCharges(request).ChargeList.ToDictionary(charge => charge.ChargeId);
        Equal(10.00m, all["Vorlage"].Amount);
        Equal(false, all["OhneVorlage"].AmountSpecified);
    }

    static CreateVouchersResponseData one;

    static void Create1() {
        one = CreateOne();
        IsCode(one.VoucherNumbers.Single());
        Equal(10.00m, one.Amount);
        Equal(0, one.AmountType);
        Equal("EUR", one.Currency);
        Equal(50.00m, one.MinOrderValue);
        Equal("B2c,B2B", one.Subshop);
        Equal(0, one.Type);
        Equal(1, one.Type2);
        Equal(-1, one.VATIndex);
    }

    // [safe-retries]
    // Made twice with the same key and the same request, the call still creates its vouchers only once.
    static CreateVouchersResponseData CreateSafely(CreateVouchersRequestData request, string key) {
        Service.IdempotencyKey = key;
        try {
            for (var attempt = 1; ; attempt++) {
                try {
                    return Service.CreateVouchers(request);
                } catch (Exception error) when (attempt < 5 && IsPassing(error)) {
                    Thread.Sleep(attempt * 1000);
                }
            }
        } finally {
            Service.IdempotencyKey = null;
        }
    }

    // No answer, or one that is not SOAP: nobody knows whether the vouchers are there. ES005: the service cannot answer now.
    static bool IsPassing(Exception error) {
        if (error is SoapException) return error.Message.StartsWith("ES005");
        return error is WebException || error is InvalidOperationException;
    }
    // [/safe-retries]

    static void Create2() {
        var key = Guid.NewGuid().ToString();
        var codes = CreateSafely(Request("Vorlage", 2), key).VoucherNumbers;
        AreCodes(2, codes);
        Equal(string.Join(" ", codes), string.Join(" ", CreateSafely(Request("Vorlage", 2), key).VoucherNumbers));
    }

    static void Create1000() {
        AreCodes(1000, Service.CreateVouchers(Request("Vorlage", 1000)).VoucherNumbers);
    }

    static void Override() {
        var request = Request("Vorlage", 1);
        request.Amount = 25.50m;
        request.AmountSpecified = true;
        request.MinOrderValue = 99.90m;
        request.MinOrderValueSpecified = true;
        request.Type = 1;
        request.TypeSpecified = true;
        request.Type2 = 2;
        request.Type2Specified = true;
        request.VATIndex = 2;
        request.VATIndexSpecified = true;
        request.ValidFrom = "2030-01-01";
        request.ValidUntil = "2030-12-31";
        request.Subshop = "B2c";
        var made = Service.CreateVouchers(request);
        AreCodes(1, made.VoucherNumbers);
        Equal(25.50m, made.Amount);
        Equal(99.90m, made.MinOrderValue);
        Equal(1, made.Type);
        Equal(2, made.Type2);
        Equal(2, made.VATIndex);
        Equal("2030-01-01", made.ValidFrom);
        Equal("2030-12-31", made.ValidUntil);
        Equal("B2c", made.Subshop);
    }

    static void CreateCharge() {
        var request = Request("Neu-" + Stack, 3);
        request.CreateCharge = true;
        request.CreateChargeSpecified = true;
        request.Amount = 5.00m;
        request.AmountSpecified = true;
        request.ChargeDescr = "Made by " + Stack;
        var made = Service.CreateVouchers(request);
        AreCodes(3, made.VoucherNumbers);
        Equal(5.00m, made.Amount);
        Fault("ES018 ChargeId existiert bereits", () => Service.CreateVouchers(request));
    }

    static void Sentinels() {
        var request = Request("Vorlage", 1);
        request.Subshop = "$ChargeVal$";
        request.Currency = "$ChargeVal$";
        request.Type = -999999999;
        request.TypeSpecified = true;
        request.Amount = -999999999m;
        request.AmountSpecified = true;
        request.MinOrderValue = -999999999m;
        request.MinOrderValueSpecified = true;
        var made = Service.CreateVouchers(request);
        Equal("B2c,B2B", made.Subshop);
        Equal("EUR", made.Currency);
        Equal(0, made.Type);
        Equal(10.00m, made.Amount);
        Equal(50.00m, made.MinOrderValue);
    }

    static CreateVouchersRequestData FromPool(int count) {
        var request = Request("Pool-" + Stack, count);
        request.Pool = true;
        request.PoolSpecified = true;
        return request;
    }

    static int inPool = -1;

    static int CountPool() {
        return Service.GetVoucherPoolInfo(new GetVoucherPoolInfoRequestData {
            ShopID = "TestShop", Password = "geheim", ChargeId = "Pool-" + Stack,
        }).VoucherCount;
    }

    static void Pool() {
        inPool = CountPool();
        for (var number = 1; number <= 3; number++) {
            var drawn = Service.CreateVouchers(FromPool(1));
            Equal(Stack + "-" + number, drawn.VoucherNumbers.Single());
            Equal(15.00m, drawn.Amount);
        }
        Fault("ES024 Ungenügende Zahl von Gutscheinen im Pool (1)", () => Service.CreateVouchers(FromPool(1)));
    }

    static void Paging() {
        var request = new GetVoucherCodesRequestData { ShopID = "TestShop", Password = "geheim", ChargeId = "Seiten" };
        var seen = new HashSet<string>();
        var sizes = new List<string>();
        GetVoucherCodesResponseData page;
        do {
            page = Service.GetVoucherCodes(request);
            seen.UnionWith(page.VoucherList.Select(voucher => voucher.Num));
            sizes.Add(page.VoucherList.Length + " " + page.LastPage);
            request.NextPageToken = page.NextPageToken;
        } while (!page.LastPage && sizes.Count < 10);
        Equal("1000 False, 1000 False, 500 True", string.Join(", ", sizes));
        Equal(2500, seen.Count);
        Equal("", page.NextPageToken);
    }

    static void PoolInfo() {
        Equal(3, inPool);
        Equal(0, CountPool());
    }

    static void ChargeInfo() {
        var request = new GetVoucherChargeInfoRequestData { ShopID = "TestShop", Password = "geheim", ChargeId = "Seiten" };
        var info = Service.GetVoucherChargeInfo(request);
        Equal(2500, info.VoucherCount);
        Equal(true, info.HasTemplate);
        request.ChargeId = "Neu-" + Stack;
        info = Service.GetVoucherChargeInfo(request);
        Equal(3, info.VoucherCount);
        Equal(false, info.HasTemplate);
    }

    static void Umlauts() {
        var request = Request("Frühling €", 1);
        request.MsgID = "Grüße: 5 €";
        var made = Service.CreateVouchers(request);
        Equal("Grüße: 5 €", made.MsgID);
        Equal("Köln €", made.Subshop);
        Equal(7.50m, made.Amount);
    }

    static void Absent() {
        Equal("EUR", one.Currency);
        Equal(null, one.ValidFrom);
        Equal(null, one.CustomerFilter);
        Equal(null, one.MsgID);
    }

    static void WrongPassword() {
        var request = Request("Vorlage", 1);
        request.Password = "falsch";
        Fault("ES002 Ungültige ShopID oder ungültiges Passwort", () => Service.CreateVouchers(request));
    }

    static void NoCount() {
        var request = Request("Vorlage", 1);
        request.VoucherCountSpecified = false;
        Fault("ES009 Fehlendes Pflichtfeld VoucherCount", () => Service.CreateVouchers(request));
    }

    static void UnknownCharge() {
        Fault("ES019 ChargeId existiert nicht", () => Service.CreateVouchers(Request("gibt es nicht", 1)));
    }

    static void EmptyPool() {
        Fault("ES024 Ungenügende Zahl von Gutscheinen im Pool (2)", () => Service.CreateVouchers(FromPool(2)));
    }

    static bool failed;

    static int Main() {
        Console.OutputEncoding = new UTF8Encoding(false);
        Check("charges", Charges);
        Check("create-1", Create1);
        Check("create-2", Create2);
        Check("create-1000", Create1000);
        Check("override", Override);
        Check("create-charge", CreateCharge);
        Check("sentinels", Sentinels);
        Check("pool", Pool);
        Check("paging", Paging);
        Check("pool-info", PoolInfo);
        Check("charge-info", ChargeInfo);
        Check("umlauts", Umlauts);
        Check("absent", Absent);
        Check("ES002", WrongPassword);
        Check("ES009", NoCount);
        Check("ES019", UnknownCharge);
        Check("ES024", EmptyPool);
        return failed ? 1 : 0;
    }

    static void Check(string name, Action check) {
        try {
            check();
            Console.WriteLine("ok " + name);
        } catch (Exception error) {
            failed = true;
            Console.WriteLine("FAIL {0} {1}: {2}", name, error.GetType().Name, error.Message.Replace('\n', ' '));
        }
    }

    static void Equal<T>(T wanted, T seen) {
        if (!Equals(wanted, seen)) throw new Exception(string.Format("{0} wanted, {1} seen", wanted, seen));
    }

    static void IsCode(string code) {
        if (!Regex.IsMatch(code, "^[A-Z0-9]{4}(-[A-Z0-9]{4}){3}$")) throw new Exception("no code: " + code);
    }

    static void AreCodes(int count, string[] codes) {
        foreach (var code in codes) IsCode(code);
        Equal(count, codes.Length);
        Equal(count, codes.Distinct().Count());
    }

    // [faults]
    // A Fault arrives as a SoapException; Message is the faultstring to the letter. The code comes first in it.
    static void Fault(string text, Action call) {
        try {
            call();
        } catch (SoapException fault) {
            Equal(text, fault.Message);
            return;
        }
        throw new Exception("no fault");
    }
    // [/faults]
}

// [header]
// The generated class, with one HTTP header more.
class VoucherService : createvouchers {
    public string IdempotencyKey; // sent with every call while it is not null

    protected override WebRequest GetWebRequest(Uri uri) {
        var request = base.GetWebRequest(uri);
        if (IdempotencyKey != null) request.Headers["Idempotency-Key"] = IdempotencyKey;
        return request;
    }
}
// [/header]
