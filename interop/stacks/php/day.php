<?php

/**
 * A day of an integrator with PHP's SoapClient: every operation of the service, and how its answers are read.
 *
 * It takes the addresses from CV_WSDL and CV_CA and prints a line per check, `ok <check>` or `FAIL <check> <why>`.
 */

declare(strict_types=1);

// [first-call]
final class VoucherService
{
    private readonly SoapClient $soap;

    /** @var resource */
    private $connection;

    public function __construct(string $wsdl, string $caFile, private string $shop, private string $password)
    {
        // PHP checks the certificate and the host name by itself; it needs to know only whom to trust.
        $this->connection = stream_context_create(['ssl' => ['cafile' => $caFile]]);
        $this->soap = new SoapClient($wsdl, [
            'stream_context' => $this->connection,
            'features' => SOAP_SINGLE_ELEMENT_ARRAYS,  // a list of one stays a list
            'cache_wsdl' => WSDL_CACHE_NONE,           // leave this out in production: PHP keeps the WSDL for a day
        ]);
    }

    /**
     * One call. A field that is not in $fields is not sent; one that is absent in the answer is not a property of it.
     *
     * @throws SoapFault the service refused (the text begins with ES...), or there was no answer
     */
    public function call(string $operation, array $fields, ?string $key = null): stdClass
    {
        $header = $key === null ? '' : "Idempotency-Key: $key";
        stream_context_set_option($this->connection, 'http', 'header', $header);
        $request = ['ShopID' => $this->shop, 'Password' => $this->password] + $fields;

        return $this->soap->$operation(['request' => $request])->response;
    }

    public function create(array $fields, ?string $key = null): stdClass
    {
        return $this->call('CreateVouchers', $fields, $key);
    }
}
// [/first-call]

// [retry]
/** Creates vouchers once, however often it must ask: a new key for each order, the same one for its repeats. */
function createSafely(VoucherService $service, array $fields, string $key): stdClass
{
    for ($attempt = 1; ; $attempt++) {
        try {
            return $service->create($fields, $key);
        } catch (SoapFault $fault) {
            $noAnswer = $fault->faultcode === 'HTTP';
            $later = str_starts_with($fault->faultstring, 'ES005');
            if ($attempt === 5 || !($noAnswer || $later)) {
                throw $fault;
            }
            sleep($attempt);
        }
    }
}
// [/retry]

final class Day
{
    private ?stdClass $first = null;
    private ?int $poolBefore = null;

    public function __construct(
        private VoucherService $service,
        private VoucherService $intruder,
        private string $stack,
    ) {
    }

    public function checks(): array
    {
        return [
            'charges' => $this->charges(...),
            'create-1' => $this->createOne(...),
            'create-2' => $this->createTwo(...),
            'create-1000' => $this->createThousand(...),
            'override' => $this->override(...),
            'create-charge' => $this->createCharge(...),
            'sentinels' => $this->sentinels(...),
            'pool' => $this->pool(...),
            'paging' => $this->paging(...),
            'pool-info' => $this->poolInfo(...),
            'charge-info' => $this->chargeInfo(...),
            'umlauts' => $this->umlauts(...),
            'absent' => $this->absent(...),
            'ES002' => $this->wrongPassword(...),
            'ES009' => $this->missingField(...),
            'ES019' => $this->unknownCharge(...),
            'ES024' => $this->emptyPool(...),
        ];
    }

    private function charges(): void
    {
        $templates = $this->listCharges([]);
        same('10.00', $templates['Vorlage']->Amount);
        same('EUR', $templates['Vorlage']->Currency);
        same(false, isset($templates['OhneVorlage']));

        $all = $this->listCharges(['ChargeType' => 'all']);
        same(true, isset($all['Vorlage'], $all['OhneVorlage']));
        same(false, isset($all['OhneVorlage']->Amount));
    }

    private function listCharges(array $fields): array
    {
        $list = $this->service->call('GetVoucherCharges', $fields)->ChargeList;

        return array_column($list->ChargeData ?? [], null, 'ChargeId');  // no charge, no property
    }

    // [create-1]
    private function createOne(): void
    {
        $answer = $this->service->create(['ChargeId' => 'Vorlage', 'VoucherCount' => 1]);
        $this->first = $answer;
        $codes = $answer->VoucherNumbers->VoucherNumber;
        same(1, count($codes));
        same(1, preg_match('/^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/D', $codes[0]));
        $this->sameAsVorlage($answer);
    }

    private function sameAsVorlage(stdClass $answer): void
    {
        same('10.00', $answer->Amount);  // decimals are strings, exact to the cent
        same(0, $answer->AmountType);
        same('EUR', $answer->Currency);
        same('50.00', $answer->MinOrderValue);
        same('B2c,B2B', $answer->Subshop);
        same(0, $answer->Type);
        same(1, $answer->Type2);
        same(-1, $answer->VATIndex);
    }
    // [/create-1]

    private function createTwo(): void
    {
        $key = bin2hex(random_bytes(16));  // store it with the order, before the call
        $order = ['ChargeId' => 'Vorlage', 'VoucherCount' => 2];
        $codes = createSafely($this->service, $order, $key)->VoucherNumbers->VoucherNumber;
        same(2, count(array_unique($codes)));

        $repeated = createSafely($this->service, $order, $key)->VoucherNumbers->VoucherNumber;
        same($codes, $repeated);  // no new vouchers: the answer of the first call again
    }

    private function createThousand(): void
    {
        $answer = $this->service->create(['ChargeId' => 'Vorlage', 'VoucherCount' => 1000]);
        $codes = $answer->VoucherNumbers->VoucherNumber;
        same(1000, count($codes));
        same(1000, count(array_unique($codes)));
    }

    private function override(): void
    {
        $terms = [
            'Amount' => '25.50',  // a string: no binary fraction comes between
            'MinOrderValue' => '99.90',
            'Subshop' => 'B2c',
            'Type' => 1,
            'Type2' => 2,
            'ValidFrom' => '2030-01-01',
            'ValidUntil' => '2030-12-31',
            'VATIndex' => 2,
        ];
        $answer = $this->service->create(['ChargeId' => 'Vorlage', 'VoucherCount' => 1] + $terms);
        same($terms, array_intersect_key((array) $answer, $terms));
    }

    private function createCharge(): void
    {
        $new = [
            'ChargeId' => "Neu-$this->stack",
            'CreateCharge' => true,  // never 'true' or 'false': PHP sends true for both
            'ChargeDescr' => 'Made by PHP',
            'Amount' => '5.00',
            'VoucherCount' => 3,
        ];
        $answer = $this->service->create($new);
        same('5.00', $answer->Amount);
        same(3, count(array_unique($answer->VoucherNumbers->VoucherNumber)));

        same('ES018 ChargeId existiert bereits', fault(fn () => $this->service->create($new)));
    }

    private function sentinels(): void
    {
        // For programs that must send every field: these values mean "as the charge has it".
        $answer = $this->service->create([
            'ChargeId' => 'Vorlage',
            'VoucherCount' => 1,
            'Amount' => '-999999999',
            'MinOrderValue' => '-999999999',
            'Currency' => '$ChargeVal$',  // in single quotes, or PHP looks for a variable
            'Subshop' => '$ChargeVal$',
            'Type' => -999999999,
        ]);
        $this->sameAsVorlage($answer);
    }

    private function pool(): void
    {
        $this->poolBefore = $this->poolCount();
        $draw = ['ChargeId' => "Pool-$this->stack", 'Pool' => true, 'VoucherCount' => 1];
        foreach (["$this->stack-1", "$this->stack-2", "$this->stack-3"] as $code) {
            $answer = $this->service->create($draw);
            same([$code], $answer->VoucherNumbers->VoucherNumber);
            same('15.00', $answer->Amount);
        }
        same('ES024 Ungenügende Zahl von Gutscheinen im Pool (1)', fault(fn () => $this->service->create($draw)));
    }

    private function poolCount(): int
    {
        return $this->service->call('GetVoucherPoolInfo', ['ChargeId' => "Pool-$this->stack"])->VoucherCount;
    }

    // [paging]
    private function paging(): void
    {
        $codes = $sizes = $lastPages = [];
        $token = '';
        do {
            $page = $this->service->call('GetVoucherCodes', ['ChargeId' => 'Seiten', 'NextPageToken' => $token]);
            $vouchers = $page->VoucherList->VoucherData ?? [];
            array_push($codes, ...array_column($vouchers, 'Num'));
            $sizes[] = count($vouchers);
            $lastPages[] = $page->LastPage;
            $token = $page->NextPageToken;
        } while (!$page->LastPage);

        same([1000, 1000, 500], $sizes);
        same([false, false, true], $lastPages);
        same('', $token);
        same(2500, count(array_unique($codes)));
    }
    // [/paging]

    private function poolInfo(): void
    {
        same(3, $this->poolBefore);
        same(0, $this->poolCount());
    }

    private function chargeInfo(): void
    {
        $pages = $this->service->call('GetVoucherChargeInfo', ['ChargeId' => 'Seiten']);
        same(2500, $pages->VoucherCount);
        same(true, $pages->HasTemplate);

        $new = $this->service->call('GetVoucherChargeInfo', ['ChargeId' => "Neu-$this->stack"]);
        same(3, $new->VoucherCount);
        same(false, $new->HasTemplate);
    }

    private function umlauts(): void
    {
        $order = ['MsgID' => 'Grüße: 5 €', 'ChargeId' => 'Frühling €', 'VoucherCount' => 1];
        $answer = $this->service->create($order);
        same('Grüße: 5 €', $answer->MsgID);
        same('Köln €', $answer->Subshop);
        same('7.50', $answer->Amount);
        same(1, count($answer->VoucherNumbers->VoucherNumber));
    }

    private function absent(): void
    {
        same(true, isset($this->first->Amount));
        same(false, isset($this->first->ValidFrom));  // ask with isset() or ??, reading it would be a warning
        same(false, isset($this->first->CustomerFilter));
        same(false, isset($this->first->MsgID));
    }

    private function wrongPassword(): void
    {
        $call = fn () => $this->intruder->create(['ChargeId' => 'Vorlage', 'VoucherCount' => 1]);
        same('ES002 Ungültige ShopID oder ungültiges Passwort', fault($call));
    }

    private function missingField(): void
    {
        $call = fn () => $this->service->create(['ChargeId' => 'Vorlage']);
        same('ES009 Fehlendes Pflichtfeld VoucherCount', fault($call));
    }

    private function unknownCharge(): void
    {
        $call = fn () => $this->service->create(['ChargeId' => 'gibt es nicht', 'VoucherCount' => 1]);
        same('ES019 ChargeId existiert nicht', fault($call));
    }

    private function emptyPool(): void
    {
        $draw = ['ChargeId' => "Pool-$this->stack", 'Pool' => true, 'VoucherCount' => 2];
        same('ES024 Ungenügende Zahl von Gutscheinen im Pool (2)', fault(fn () => $this->service->create($draw)));
    }
}

// [fault]
/** The text of the fault that a call ends in: `ES009 Fehlendes Pflichtfeld VoucherCount`. */
function fault(callable $call): string
{
    try {
        $call();
    } catch (SoapFault $fault) {
        return $fault->faultstring;
    }
    throw new Exception('no fault');
}
// [/fault]

function same(mixed $expected, mixed $actual): void
{
    if ($expected !== $actual) {
        $text = fn (mixed $value) => json_encode($value, JSON_UNESCAPED_UNICODE);
        throw new Exception("expected {$text($expected)}, got {$text($actual)}");
    }
}

// A warning, such as for a property that is not there, fails the check. SoapClient silences its own while it connects
// and throws a SoapFault in the end; a handler that forgets to ask error_reporting() would come before it.
set_error_handler(function (int $level, string $text, string $file, int $line): bool {
    return error_reporting() & $level ? throw new ErrorException("$text, line $line") : false;
});

$connect = fn (string $password) => new VoucherService(getenv('CV_WSDL'), getenv('CV_CA'), 'TestShop', $password);
$day = new Day($connect('geheim'), $connect('falsch'), getenv('CV_STACK'));
$failed = 0;
foreach ($day->checks() as $name => $check) {
    try {
        $check();
        echo "ok $name\n";
    } catch (Throwable $problem) {
        $failed = 1;
        echo "FAIL $name ", strtr($problem->getMessage(), "\n", ' '), "\n";
    }
}
exit($failed);
