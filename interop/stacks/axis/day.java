import static java.util.Arrays.asList;
import static java.util.Collections.singletonList;
import static java.util.Collections.singletonMap;

import de.websale.createvouchers.ChargeData;
import de.websale.createvouchers.CreateVouchersRequestData;
import de.websale.createvouchers.CreateVouchersResponseData;
import de.websale.createvouchers.Createvouchers_BindingStub;
import de.websale.createvouchers.Createvouchers_ServiceLocator;
import de.websale.createvouchers.GetVoucherChargeInfoRequestData;
import de.websale.createvouchers.GetVoucherChargeInfoResponseData;
import de.websale.createvouchers.GetVoucherChargesRequestData;
import de.websale.createvouchers.GetVoucherCodesRequestData;
import de.websale.createvouchers.GetVoucherCodesResponseData;
import de.websale.createvouchers.GetVoucherPoolInfoRequestData;
import de.websale.createvouchers.VoucherData;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URL;
import java.rmi.RemoteException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import javax.xml.rpc.ServiceException;
import org.apache.axis.AxisFault;
import org.apache.axis.transport.http.HTTPConstants;

/** The service as a till sees it. The stub keeps a call's headers: a VoucherService is for one thread. */
final class VoucherService {
    // [first-call]
    private final Createvouchers_BindingStub stub;
    private final String shop;
    private final String password;

    VoucherService(URL url, String shop, String password) throws ServiceException {
        this.stub = (Createvouchers_BindingStub) new Createvouchers_ServiceLocator().getcreatevouchers(url);
        this.stub.setTimeout(60_000);  // milliseconds; Axis waits for ten minutes
        this.shop = shop;
        this.password = password;
    }

    /** Creates vouchers. A field that is not set is not sent; one that is absent in the answer is null. */
    CreateVouchersResponseData create(CreateVouchersRequestData request) throws RemoteException {
        request.setShopID(shop);
        request.setPassword(password);
        return stub.createVouchers(request);
    }
    // [/first-call]

    // [retry]
    /** Creates vouchers once, however often it must ask: a new key for each order, the same one for its repeats. */
    CreateVouchersResponseData createSafely(CreateVouchersRequestData request, String key)
            throws RemoteException, InterruptedException {
        stub._setProperty(HTTPConstants.REQUEST_HEADERS, new Hashtable<>(singletonMap("Idempotency-Key", key)));
        try {
            for (int attempt = 1; ; attempt++) {
                try {
                    return create(request);
                } catch (AxisFault problem) {
                    String text = problem.getFaultString();
                    boolean noAnswer = !text.startsWith("ES");  // "(0)null", "(502)Bad Gateway", an IOException ...
                    if (attempt == 5 || !(noAnswer || text.startsWith("ES005"))) {
                        throw problem;
                    }
                    Thread.sleep(attempt * 1000L);
                }
            }
        } finally {
            stub.removeProperty(HTTPConstants.REQUEST_HEADERS);
        }
    }
    // [/retry]

    ChargeData[] charges(String chargeType) throws RemoteException {
        GetVoucherChargesRequestData request = new GetVoucherChargesRequestData();
        request.setShopID(shop);
        request.setPassword(password);
        request.setChargeType(chargeType);
        return stub.getVoucherCharges(request).getChargeList();
    }

    GetVoucherCodesResponseData codes(String charge, String token) throws RemoteException {
        GetVoucherCodesRequestData request = new GetVoucherCodesRequestData();
        request.setShopID(shop);
        request.setPassword(password);
        request.setChargeId(charge);
        request.setNextPageToken(token);
        return stub.getVoucherCodes(request);
    }

    int poolCount(String charge) throws RemoteException {
        GetVoucherPoolInfoRequestData request = new GetVoucherPoolInfoRequestData();
        request.setShopID(shop);
        request.setPassword(password);
        request.setChargeId(charge);
        return stub.getVoucherPoolInfo(request).getVoucherCount();
    }

    GetVoucherChargeInfoResponseData chargeInfo(String charge) throws RemoteException {
        GetVoucherChargeInfoRequestData request = new GetVoucherChargeInfoRequestData();
        request.setShopID(shop);
        request.setPassword(password);
        request.setChargeId(charge);
        return stub.getVoucherChargeInfo(request);
    }
}

/** A day of an integrator. It prints a line per check, `ok <check>` or `FAIL <check> <why>`. */
final class Day {
    private static final String STACK = System.getenv("CV_STACK");

    private final VoucherService service = connect("geheim");
    private CreateVouchersResponseData first;
    private int poolBefore;
    private boolean failed;

    private Day() throws Exception {
    }

    private static VoucherService connect(String password) throws Exception {
        return new VoucherService(URI.create(System.getenv("CV_URL")).toURL(), "TestShop", password);
    }

    public static void main(String[] arguments) throws Exception {
        Day day = new Day();
        day.check("charges", day::charges);
        day.check("create-1", day::createOne);
        day.check("create-2", day::createTwo);
        day.check("create-1000", day::createThousand);
        day.check("override", day::override);
        day.check("create-charge", day::createCharge);
        day.check("sentinels", day::sentinels);
        day.check("pool", day::pool);
        day.check("paging", day::paging);
        day.check("pool-info", day::poolInfo);
        day.check("charge-info", day::chargeInfo);
        day.check("umlauts", day::umlauts);
        day.check("absent", day::absent);
        day.check("ES002", day::wrongPassword);
        day.check("ES009", day::missingField);
        day.check("ES019", day::unknownCharge);
        day.check("ES024", day::emptyPool);
        System.exit(day.failed ? 1 : 0);
    }

    private void charges() throws Exception {
        Map<String, ChargeData> templates = byId(service.charges(null));
        same(new BigDecimal("10.00"), templates.get("Vorlage").getAmount());
        same("EUR", templates.get("Vorlage").getCurrency());
        same(false, templates.containsKey("OhneVorlage"));

        Map<String, ChargeData> all = byId(service.charges("all"));
        same(true, all.containsKey("Vorlage"));
        same(null, all.get("OhneVorlage").getAmount());
    }

    private static Map<String, ChargeData> byId(ChargeData[] charges) {
        Map<String, ChargeData> found = new HashMap<>();
        for (ChargeData charge : charges) {
            found.put(charge.getChargeId(), charge);
        }
        return found;
    }

    // [create-1]
    private void createOne() throws Exception {
        first = service.create(order("Vorlage", 1));
        List<String> codes = codes(first);
        same(1, codes.size());
        same(true, codes.get(0).matches("[0-9A-Z]{4}(-[0-9A-Z]{4}){3}"));
        sameAsVorlage(first);
    }

    private static CreateVouchersRequestData order(String charge, Integer count) {
        CreateVouchersRequestData request = new CreateVouchersRequestData();
        request.setChargeId(charge);
        request.setVoucherCount(count);
        return request;
    }

    private static List<String> codes(CreateVouchersResponseData answer) {
        return asList(answer.getVoucherNumbers());
    }

    private static void sameAsVorlage(CreateVouchersResponseData answer) {
        same(new BigDecimal("10.00"), answer.getAmount());
        same(0, answer.getAmountType());
        same("EUR", answer.getCurrency());
        same(new BigDecimal("50.00"), answer.getMinOrderValue());
        same("B2c,B2B", answer.getSubshop());
        same(0, answer.getType());
        same(1, answer.getType2());
        same(-1, answer.getVATIndex());
    }
    // [/create-1]

    private void createTwo() throws Exception {
        String key = UUID.randomUUID().toString();  // store it with the order, before the call
        CreateVouchersRequestData two = order("Vorlage", 2);
        List<String> codes = codes(service.createSafely(two, key));
        same(2, new HashSet<>(codes).size());

        same(codes, codes(service.createSafely(two, key)));  // no new vouchers: the answer of the first call again
    }

    private void createThousand() throws Exception {
        List<String> codes = codes(service.create(order("Vorlage", 1000)));
        same(1000, codes.size());
        same(1000, new HashSet<>(codes).size());
    }

    private void override() throws Exception {
        CreateVouchersRequestData request = order("Vorlage", 1);
        request.setAmount(new BigDecimal("25.50"));  // from a text: new BigDecimal(25.1) is not 25.1
        request.setMinOrderValue(new BigDecimal("99.90"));
        request.setType(1);
        request.setType2(2);
        request.setVATIndex(2);
        request.setValidFrom("2030-01-01");
        request.setValidUntil("2030-12-31");
        request.setSubshop("B2c");

        CreateVouchersResponseData answer = service.create(request);
        same(new BigDecimal("25.50"), answer.getAmount());
        same(new BigDecimal("99.90"), answer.getMinOrderValue());
        same(1, answer.getType());
        same(2, answer.getType2());
        same(2, answer.getVATIndex());
        same("2030-01-01", answer.getValidFrom());
        same("2030-12-31", answer.getValidUntil());
        same("B2c", answer.getSubshop());
    }

    private void createCharge() throws Exception {
        CreateVouchersRequestData request = order("Neu-" + STACK, 3);
        request.setCreateCharge(true);
        request.setChargeDescr("Made by Axis");
        request.setAmount(new BigDecimal("5.00"));

        CreateVouchersResponseData answer = service.create(request);
        same(new BigDecimal("5.00"), answer.getAmount());
        same(3, new HashSet<>(codes(answer)).size());

        same("ES018 ChargeId existiert bereits", fault(() -> service.create(request)));
    }

    private void sentinels() throws Exception {
        // For programs that must send every field: these values mean "as the charge has it".
        CreateVouchersRequestData request = order("Vorlage", 1);
        request.setAmount(new BigDecimal("-999999999"));
        request.setMinOrderValue(new BigDecimal("-999999999"));
        request.setCurrency("$ChargeVal$");
        request.setSubshop("$ChargeVal$");
        request.setType(-999999999);
        sameAsVorlage(service.create(request));
    }

    private void pool() throws Exception {
        poolBefore = service.poolCount("Pool-" + STACK);
        for (int number = 1; number <= 3; number++) {
            CreateVouchersResponseData answer = service.create(draw(1));
            same(singletonList(STACK + "-" + number), codes(answer));
            same(new BigDecimal("15.00"), answer.getAmount());
        }
        same("ES024 Ungenügende Zahl von Gutscheinen im Pool (1)", fault(() -> service.create(draw(1))));
    }

    private static CreateVouchersRequestData draw(int count) {
        CreateVouchersRequestData request = order("Pool-" + STACK, count);
        request.setPool(true);
        return request;
    }

    // [paging]
    private void paging() throws Exception {
        List<String> codes = new ArrayList<>();
        List<Integer> sizes = new ArrayList<>();
        List<Boolean> lastPages = new ArrayList<>();
        String token = null;
        GetVoucherCodesResponseData page;
        do {
            page = service.codes("Seiten", token);
            for (VoucherData voucher : page.getVoucherList()) {
                codes.add(voucher.getNum());
            }
            sizes.add(page.getVoucherList().length);
            lastPages.add(page.isLastPage());
            token = page.getNextPageToken();
        } while (!page.isLastPage());

        same(asList(1000, 1000, 500), sizes);
        same(asList(false, false, true), lastPages);
        same("", token);
        same(2500, new HashSet<>(codes).size());
    }
    // [/paging]

    private void poolInfo() throws Exception {
        same(3, poolBefore);
        same(0, service.poolCount("Pool-" + STACK));
    }

    private void chargeInfo() throws Exception {
        GetVoucherChargeInfoResponseData pages = service.chargeInfo("Seiten");
        same(2500, pages.getVoucherCount());
        same(true, pages.isHasTemplate());

        GetVoucherChargeInfoResponseData made = service.chargeInfo("Neu-" + STACK);
        same(3, made.getVoucherCount());
        same(false, made.isHasTemplate());
    }

    private void umlauts() throws Exception {
        CreateVouchersRequestData request = order("Frühling €", 1);
        request.setMsgID("Grüße: 5 €");
        CreateVouchersResponseData answer = service.create(request);
        same("Grüße: 5 €", answer.getMsgID());
        same("Köln €", answer.getSubshop());
        same(new BigDecimal("7.50"), answer.getAmount());
        same(1, codes(answer).size());
    }

    private void absent() {
        same(true, first.getAmount() != null);
        same(null, first.getValidFrom());
        same(null, first.getCustomerFilter());
        same(null, first.getMsgID());
    }

    private void wrongPassword() throws Exception {
        VoucherService intruder = connect("falsch");
        same("ES002 Ungültige ShopID oder ungültiges Passwort", fault(() -> intruder.create(order("Vorlage", 1))));
    }

    private void missingField() throws Exception {
        same("ES009 Fehlendes Pflichtfeld VoucherCount", fault(() -> service.create(order("Vorlage", null))));
    }

    private void unknownCharge() throws Exception {
        same("ES019 ChargeId existiert nicht", fault(() -> service.create(order("gibt es nicht", 1))));
    }

    private void emptyPool() throws Exception {
        same("ES024 Ungenügende Zahl von Gutscheinen im Pool (2)", fault(() -> service.create(draw(2))));
    }

    // [fault]
    /** The text of the fault that a call ends in: `ES009 Fehlendes Pflichtfeld VoucherCount`. */
    private static String fault(Check call) throws Exception {
        try {
            call.run();
        } catch (AxisFault problem) {
            return problem.getFaultString();
        }
        throw new AssertionError("no fault");
    }
    // [/fault]

    private static void same(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    private interface Check {
        void run() throws Exception;
    }

    private void check(String name, Check check) {
        try {
            check.run();
            System.out.println("ok " + name);
        } catch (Exception | AssertionError problem) {
            failed = true;
            System.out.println("FAIL " + name + " " + problem.toString().replace('\n', ' '));
        }
    }
}
