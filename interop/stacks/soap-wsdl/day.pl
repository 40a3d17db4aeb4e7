# A day of an integrator with SOAP::WSDL: every operation of the voucher service, and how its answers are read.
#
# Prints a line per check, `ok <check>` or `FAIL <check> <why>`.

# [first-call]
use v5.36;
use utf8;  # the umlauts in this file are characters
use open ':std' => ':encoding(UTF-8)';
use Scalar::Util qw(blessed);
use SOAP::Transport::HTTP;  # from SOAP::Lite; the HTTP client of SOAP::WSDL itself cannot send umlauts
use VoucherInterfaces::createvouchers::createvouchers;  # generated

my $service = VoucherInterfaces::createvouchers::createvouchers->new({
    proxy => [
        $ENV{CV_URL},
        timeout  => 60,
        ssl_opts => {SSL_ca_file => $ENV{CV_CA}, verify_hostname => 1},
    ],
    deserializer_args => {strict => 0},  # or faults with a detail, which the WSDL does not know, are not read
});

my %LOGIN = (ShopID => 'TestShop', Password => 'geheim');

# One call; its answer is an object with a get_... for each field. Only the fields given are sent.
sub call ($operation, %fields) {
    my $answer = $service->$operation({request => {%LOGIN, %fields}});
    return $answer->get_response if $answer;
    die $answer;  # a fault is an object too, but false; see fault() below
}

sub create (%fields) {
    return call(CreateVouchers => %fields);
}

# The elements of a list: SOAP::WSDL gives an array for several, the element itself for one, undef for none.
sub entries ($found) {
    return ref $found eq 'ARRAY' ? @$found : $found // ();
}

sub codes_of ($answer) {
    return entries($answer->get_VoucherNumbers->get_VoucherNumber);
}
# [/first-call]

# [retry]
# Creates vouchers once, however often it takes to ask. Store the key with the order before the first call.
sub create_safely ($key, %fields) {
    my $headers = $service->get_transport->default_headers;
    for my $pause (1, 2, 4, 8, 0) {
        $headers->header('Idempotency-Key' => $key);
        my $answer = eval { create(%fields) };
        my $problem = $@;
        $headers->remove_header('Idempotency-Key');
        return $answer if $answer;
        # "ES005 ..." and no answer, a fault without such a code, are worth another try; the rest stays the same.
        my $hopeless = !blessed $problem || $problem->get_faultstring =~ /^ES(?!005)/;
        die $problem if $hopeless || !$pause;
        sleep $pause;
    }
}
# [/retry]

# [fault]
# The text of the fault that the call ends in: `ES009 Fehlendes Pflichtfeld VoucherCount`.
sub fault ($operation, %fields) {
    eval { call($operation => %fields); 1 } and die "no fault came\n";
    die $@ unless blessed $@;  # a mistake in this program, such as a field that the WSDL does not have
    return $@->get_faultstring;
}
# [/fault]

sub same ($found, $expected) {
    $found //= '(undef)';
    my (undef, undef, $line) = caller;
    die "'$found' instead of '$expected' in line $line\n" if $found ne $expected;
}

sub count_different (@codes) {
    my %seen = map { $_ => 1 } @codes;
    return scalar keys %seen;
}

my $stack = $ENV{CV_STACK};
my ($pool, $new) = ("Pool-$stack", "Neu-$stack");
my ($first, $stock);  # what a later check wants to know

sub charges {
    my %templates = list_charges();
    same($templates{Vorlage}->get_Amount, '10.00');
    same($templates{Vorlage}->get_Currency, 'EUR');
    same(exists $templates{OhneVorlage}, '');

    my %all = list_charges(ChargeType => 'all');
    same($all{Vorlage}->get_Amount, '10.00');
    same(exists $all{OhneVorlage}, 1);
    same(defined $all{OhneVorlage}->get_Amount, '');
}

sub list_charges (%fields) {
    my $list = call(GetVoucherCharges => %fields)->get_ChargeList;
    return map { $_->get_ChargeId => $_ } entries($list->get_ChargeData);
}

sub create_1 {
    $first = create(ChargeId => 'Vorlage', VoucherCount => 1);
    my @codes = codes_of($first);
    same(scalar @codes, 1);
    same(scalar($codes[0] =~ /\A[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\z/), 1);
    same_as_vorlage($first);
}

sub same_as_vorlage ($terms) {
    # Every value is an object that is its text in a string: the amount to the cent.
    same($terms->get_Amount, '10.00');
    same($terms->get_AmountType, '0');
    same($terms->get_Currency, 'EUR');
    same($terms->get_MinOrderValue, '50.00');
    same($terms->get_Subshop, 'B2c,B2B');
    same($terms->get_Type, '0');
    same($terms->get_Type2, '1');
    same($terms->get_VATIndex, '-1');
}

sub create_2 {
    my $key = "$stack-$$-" . time;
    my @order = (ChargeId => 'Vorlage', VoucherCount => 2);
    my @codes = codes_of(create_safely($key, @order));
    same(scalar @codes, 2);
    same(count_different(@codes), 2);

    # As if the first answer had been lost: the same codes, not two more.
    my @again = codes_of(create_safely($key, @order));
    same("@again", "@codes");
}

sub create_1000 {
    my @codes = codes_of(create(ChargeId => 'Vorlage', VoucherCount => 1000));
    same(scalar @codes, 1000);
    same(count_different(@codes), 1000);
}

sub override {
    my %wanted = (
        Amount        => '25.50',  # in quotes, or Perl sends 25.5
        MinOrderValue => '99.90',
        Subshop       => 'B2c',
        Type          => 1,
        Type2         => 2,
        ValidFrom     => '2030-01-01',
        ValidUntil    => '2030-12-31',
        VATIndex      => 2,
    );
    my $terms = create(ChargeId => 'Vorlage', VoucherCount => 1, %wanted);
    for my $field (sort keys %wanted) {
        my $get = "get_$field";
        same($terms->$get, $wanted{$field});
    }
    same(scalar(my @codes = codes_of($terms)), 1);
}

sub create_charge {
    my %order = (
        ChargeId     => $new,
        CreateCharge => 1,
        ChargeDescr  => 'Made by SOAP::WSDL',
        Amount       => '5.00',
        VoucherCount => 3,
    );
    my $terms = create(%order);
    my @codes = codes_of($terms);
    same($terms->get_Amount, '5.00');
    same(scalar @codes, 3);
    same(count_different(@codes), 3);
    same(fault(CreateVouchers => %order), 'ES018 ChargeId existiert bereits');
}

sub sentinels {
    # SOAP::WSDL can leave fields out; these values are for data that has them already.
    my $terms = create(
        ChargeId      => 'Vorlage',
        VoucherCount  => 1,
        Subshop       => '$ChargeVal$',  # in single quotes, or Perl looks for a variable
        Currency      => '$ChargeVal$',
        Type          => -999999999,
        Amount        => -999999999,
        MinOrderValue => -999999999,
    );
    same_as_vorlage($terms);
}

sub pool_count {
    return call(GetVoucherPoolInfo => (ChargeId => $pool))->get_VoucherCount;
}

sub draw_from_pool {
    $stock = pool_count();
    my %draw = (ChargeId => $pool, Pool => 1, VoucherCount => 1);
    for my $number (1 .. 3) {
        my $terms = create(%draw);
        my @codes = codes_of($terms);
        same("@codes", "$stack-$number");
        same($terms->get_Amount, '15.00');
    }
    same(fault(CreateVouchers => %draw), 'ES024 Ungenügende Zahl von Gutscheinen im Pool (1)');
}

# [paging]
sub paging {
    my (@codes, @sizes, @last_pages);
    my $token = '';  # the first page
    do {
        my $page = call(GetVoucherCodes => (ChargeId => 'Seiten', NextPageToken => $token));
        my @vouchers = entries($page->get_VoucherList->get_VoucherData);
        push @codes, map { $_->get_Num } @vouchers;
        push @sizes, scalar @vouchers;
        push @last_pages, $page->get_LastPage;  # 1 or 0 in a string
        $token = $page->get_NextPageToken;
    } until $last_pages[-1];

    same("@sizes", '1000 1000 500');
    same("@last_pages", '0 0 1');
    same($token, '');
    same(count_different(@codes), 2500);
}
# [/paging]

sub pool_info {
    same($stock, 3);
    same(pool_count(), 0);
}

sub charge_info {
    my $pages = call(GetVoucherChargeInfo => (ChargeId => 'Seiten'));
    same($pages->get_VoucherCount, 2500);
    same($pages->get_HasTemplate, 1);

    my $made = call(GetVoucherChargeInfo => (ChargeId => $new));
    same($made->get_VoucherCount, 3);
    same($made->get_HasTemplate, 0);
}

sub umlauts {
    my $terms = create(ChargeId => 'Frühling €', VoucherCount => 1, MsgID => 'Grüße: 5 €');
    my @codes = codes_of($terms);
    same($terms->get_MsgID, 'Grüße: 5 €');
    same($terms->get_Subshop, 'Köln €');
    same($terms->get_Amount, '7.50');
    same(scalar @codes, 1);
}

sub absent {
    same(defined $first->get_Amount, 1);
    same(defined $first->get_ValidFrom, '');
    same(defined $first->get_CustomerFilter, '');
    same(defined $first->get_MsgID, '');
}

sub wrong_password {
    same(
        fault(CreateVouchers => (Password => 'falsch', ChargeId => 'Vorlage', VoucherCount => 1)),
        'ES002 Ungültige ShopID oder ungültiges Passwort',
    );
}

sub missing_count {
    same(fault(CreateVouchers => (ChargeId => 'Vorlage')), 'ES009 Fehlendes Pflichtfeld VoucherCount');
}

sub unknown_charge {
    same(
        fault(CreateVouchers => (ChargeId => 'gibt es nicht', VoucherCount => 1)),
        'ES019 ChargeId existiert nicht',
    );
}

sub empty_pool {
    same(
        fault(CreateVouchers => (ChargeId => $pool, Pool => 1, VoucherCount => 2)),
        'ES024 Ungenügende Zahl von Gutscheinen im Pool (2)',
    );
}

my @checks = (
    ['charges'       => \&charges],
    ['create-1'      => \&create_1],
    ['create-2'      => \&create_2],
    ['create-1000'   => \&create_1000],
    ['override'      => \&override],
    ['create-charge' => \&create_charge],
    ['sentinels'     => \&sentinels],
    ['pool'          => \&draw_from_pool],
    ['paging'        => \&paging],
    ['pool-info'     => \&pool_info],
    ['charge-info'   => \&charge_info],
    ['umlauts'       => \&umlauts],
    ['absent'        => \&absent],
    ['ES002'         => \&wrong_password],
    ['ES009'         => \&missing_count],
    ['ES019'         => \&unknown_charge],
    ['ES024'         => \&empty_pool],
);

my $failed = 0;
for (@checks) {
    my ($name, $check) = @$_;
    if (eval { $check->(); 1 }) {
        say "ok $name";
        next;
    }
    my $why = blessed $@ ? $@->get_faultstring : $@;
    say "FAIL $name ", join ' ', split ' ', $why;
    $failed = 1;
}
exit $failed;
