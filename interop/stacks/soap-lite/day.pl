# A day of an integrator with SOAP::Lite: every operation of the voucher service, and how its answers are read.
#
# Prints a line per check, `ok <check>` or `FAIL <check> <why>`.

# [first-call]
use v5.36;
use utf8;             # the umlauts in this file are characters
use open ':std' => ':encoding(UTF-8)';
use Scalar::Util qw(blessed);
use SOAP::Lite;

my $soap = SOAP::Lite->new(
    proxy => [
        $ENV{CV_URL},
        timeout  => 60,
        ssl_opts => {SSL_ca_file => $ENV{CV_CA}, verify_hostname => 1},
    ],
    ns        => 'http://www.websale.de/',  # for the operation; request and fields have no namespace
    autotype  => 0,                         # or SOAP::Lite guesses types, and sends umlauts in base64
    on_action => sub { '""' },
    on_fault  => sub ($client, $answer) {   # without it, a fault is returned and easily overlooked
        die $answer if ref $answer;         # a fault of the service: SOAP::SOM, see fault() below
        die 'no answer: ', $client->transport->status, "\n";
    },
);

my %LOGIN = (ShopID => 'TestShop', Password => 'geheim');

# One call; its answer is a SOAP::SOM. Only the fields given are sent.
sub call ($operation, %fields) {
    my %request = (%LOGIN, %fields);
    # In the order of their names: a hash has another one in every process, but a repeat must be the same bytes.
    my @request = map { SOAP::Data->name($_ => $request{$_}) } sort keys %request;
    return $soap->call($operation => SOAP::Data->name(request => \SOAP::Data->value(@request)));
}

# Creates vouchers: the terms as a hash, and the codes.
sub create (%fields) {
    my $answer = call(CreateVouchers => %fields);
    # Of elements that repeat, a hash keeps only one; valueof() gives them all.
    return ($answer->result, $answer->valueof('//VoucherNumbers/VoucherNumber'));
}
# [/first-call]

# [retry]
# Creates vouchers once, however often it takes to ask. Store the key with the order before the first call.
sub create_safely ($key, %fields) {
    my $headers = $soap->transport->proxy->default_headers;
    for my $pause (1, 2, 4, 8, 0) {
        $headers->header('Idempotency-Key' => $key);
        my @answer = eval { create(%fields) };
        my $problem = $@;
        $headers->remove_header('Idempotency-Key');
        return @answer if @answer;
        # ES005 and no answer are worth another try; any other fault stays the same.
        my $hopeless = blessed $problem && $problem->faultstring !~ /^ES005/;
        die $problem if $hopeless || !$pause;
        sleep $pause;
    }
}
# [/retry]

# [fault]
# The text of the fault that the call ends in: `ES009 Fehlendes Pflichtfeld VoucherCount`.
sub fault ($operation, %fields) {
    eval { call($operation => %fields) };
    return $@->faultstring if blessed $@ && $@->isa('SOAP::SOM');
    die $@ || "no fault came\n";
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
    same($templates{Vorlage}{Amount}, '10.00');
    same($templates{Vorlage}{Currency}, 'EUR');
    same(exists $templates{OhneVorlage}, '');

    my %all = list_charges(ChargeType => 'all');
    same($all{Vorlage}{Amount}, '10.00');
    same(exists $all{OhneVorlage}, 1);
    same(exists $all{OhneVorlage}{Amount}, '');
}

sub list_charges (%fields) {
    return map { $_->{ChargeId} => $_ } call(GetVoucherCharges => %fields)->valueof('//ChargeList/ChargeData');
}

sub create_1 {
    ($first, my @codes) = create(ChargeId => 'Vorlage', VoucherCount => 1);
    same(scalar @codes, 1);
    same(scalar($codes[0] =~ /\A[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\z/), 1);
    same_as_vorlage($first);
}

sub same_as_vorlage ($terms) {
    # Without types every value is text, amounts too: no binary fraction comes between.
    same($terms->{Amount}, '10.00');
    same($terms->{AmountType}, '0');
    same($terms->{Currency}, 'EUR');
    same($terms->{MinOrderValue}, '50.00');
    same($terms->{Subshop}, 'B2c,B2B');
    same($terms->{Type}, '0');
    same($terms->{Type2}, '1');
    same($terms->{VATIndex}, '-1');
}

sub create_2 {
    my $key = "$stack-$$-" . time;
    my @order = (ChargeId => 'Vorlage', VoucherCount => 2);
    my (undef, @codes) = create_safely($key, @order);
    same(scalar @codes, 2);
    same(count_different(@codes), 2);

    # As if the first answer had been lost: the same codes, not two more.
    my (undef, @again) = create_safely($key, @order);
    same("@again", "@codes");
}

sub create_1000 {
    my (undef, @codes) = create(ChargeId => 'Vorlage', VoucherCount => 1000);
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
    my ($terms, @codes) = create(ChargeId => 'Vorlage', VoucherCount => 1, %wanted);
    same($terms->{$_}, $wanted{$_}) for sort keys %wanted;
    same(scalar @codes, 1);
}

sub create_charge {
    my %order = (
        ChargeId     => $new,
        CreateCharge => 'true',  # as text: Perl's own false is the empty string
        ChargeDescr  => 'Made by SOAP::Lite',
        Amount       => '5.00',
        VoucherCount => 3,
    );
    my ($terms, @codes) = create(%order);
    same($terms->{Amount}, '5.00');
    same(scalar @codes, 3);
    same(count_different(@codes), 3);
    same(fault(CreateVouchers => %order), 'ES018 ChargeId existiert bereits');
}

sub sentinels {
    # SOAP::Lite can leave fields out; these values are for data that has them already.
    my ($terms) = create(
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
    return call(GetVoucherPoolInfo => (ChargeId => $pool))->result->{VoucherCount};
}

sub draw_from_pool {
    $stock = pool_count();
    my %draw = (ChargeId => $pool, Pool => 'true', VoucherCount => 1);
    for my $number (1 .. 3) {
        my ($terms, @codes) = create(%draw);
        same("@codes", "$stack-$number");
        same($terms->{Amount}, '15.00');
    }
    same(fault(CreateVouchers => %draw), 'ES024 Ungenügende Zahl von Gutscheinen im Pool (1)');
}

# [paging]
sub paging {
    my (@codes, @sizes, @last_pages);
    my $token = '';  # the first page
    do {
        my $page = call(GetVoucherCodes => (ChargeId => 'Seiten', NextPageToken => $token));
        my @vouchers = $page->valueof('//VoucherList/VoucherData');
        push @codes, map { $_->{Num} } @vouchers;
        push @sizes, scalar @vouchers;
        push @last_pages, $page->result->{LastPage};  # the text 'true' or 'false'; both are true to Perl
        $token = $page->result->{NextPageToken};
    } until $last_pages[-1] eq 'true';

    same("@sizes", '1000 1000 500');
    same("@last_pages", 'false false true');
    same($token, '');
    same(count_different(@codes), 2500);
}
# [/paging]

sub pool_info {
    same($stock, 3);
    same(pool_count(), 0);
}

sub charge_info {
    my $pages = call(GetVoucherChargeInfo => (ChargeId => 'Seiten'))->result;
    same($pages->{VoucherCount}, 2500);
    same($pages->{HasTemplate}, 'true');

    my $made = call(GetVoucherChargeInfo => (ChargeId => $new))->result;
    same($made->{VoucherCount}, 3);
    same($made->{HasTemplate}, 'false');
}

sub umlauts {
    my ($terms, @codes) = create(ChargeId => 'Frühling €', VoucherCount => 1, MsgID => 'Grüße: 5 €');
    same($terms->{MsgID}, 'Grüße: 5 €');
    same($terms->{Subshop}, 'Köln €');
    same($terms->{Amount}, '7.50');
    same(scalar @codes, 1);
}

sub absent {
    same(exists $first->{Amount}, 1);
    same(exists $first->{$_}, '') for qw(ValidFrom CustomerFilter MsgID);
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
        fault(CreateVouchers => (ChargeId => $pool, Pool => 'true', VoucherCount => 2)),
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
    my $why = blessed $@ && $@->isa('SOAP::SOM') ? $@->faultstring : $@;
    say "FAIL $name ", join ' ', split ' ', $why;
    $failed = 1;
}
exit $failed;
