#!/bin/sh
# A till's day with curl and xmllint: every operation of the voucher service, and how its answers are read.
# Prints a line per check: `ok <check>` or `FAIL <check> <why>`.
set -u

# [first-call]
answer=$CV_BUILD/answer.xml
password=geheim

# call OPERATION [CURL OPTION...]: send the fields on standard input, put the answer into the file.
# Fails only when there is no answer; a fault is one (so no --fail: faults come with status 500).
call() {
    operation=$1
    shift
    {
        cat <<XML
<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns="http://www.websale.de/"><soap:Body>
<ns:$operation><request><ShopID>TestShop</ShopID><Password>$(escaped "$password")</Password>
XML
        cat
        echo "</request></ns:$operation></soap:Body></soap:Envelope>"
    } | curl --silent --show-error --max-time 60 --cacert "$CV_CA" --header 'Content-Type: text/xml; charset=utf-8' \
        --data-binary @- --output "$answer" "$@" "$CV_URL"
}

escaped() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g'; }

# What the answer says, by XPath: value NAME is the text of an element, and empty if it is not there.
value() { xmllint --xpath "string(//$1)" "$answer"; }
number_of() { xmllint --xpath "count(//$1)" "$answer"; }
all() { xmllint --xpath "//$1/text()" "$answer" 2>/dev/null; } # fails when there is none
# [/first-call]

# [create-1]
create_1() {
    call CreateVouchers <<XML
<ChargeId>Vorlage</ChargeId><VoucherCount>1</VoucherCount>
XML
    cp "$answer" "$CV_BUILD/first.xml"
    same "$(number_of VoucherNumber)" 1
    same "$(value VoucherNumber | grep -cE '^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$')" 1
    same_as_template
}
# [/create-1]

same_as_template() {
    same "$(value Amount)" 10.00
    same "$(value AmountType)" 0
    same "$(value Currency)" EUR
    same "$(value MinOrderValue)" 50.00
    same "$(value Subshop)" B2c,B2B
    same "$(value Type)" 0
    same "$(value Type2)" 1
    same "$(value VATIndex)" -1
}

charges() {
    call GetVoucherCharges </dev/null
    same "$(value 'ChargeData[ChargeId="Vorlage"]/Amount')" 10.00
    same "$(value 'ChargeData[ChargeId="Vorlage"]/Currency')" EUR
    same "$(number_of 'ChargeData[ChargeId="OhneVorlage"]')" 0

    echo '<ChargeType>all</ChargeType>' | call GetVoucherCharges
    same "$(number_of 'ChargeData[ChargeId="Vorlage"]')" 1
    same "$(number_of 'ChargeData[ChargeId="OhneVorlage"]')" 1
    same "$(number_of 'ChargeData[ChargeId="OhneVorlage"]/Amount')" 0
}

create_2() {
    key=$(cat /proc/sys/kernel/random/uuid)
    fields='<ChargeId>Vorlage</ChargeId><VoucherCount>2</VoucherCount>'
    create_safely "$key" "$fields"
    codes=$(all VoucherNumber)
    same "$(echo "$codes" | sort -u | wc -l)" 2
    create_safely "$key" "$fields" # as if the first answer had been lost
    same "$(all VoucherNumber)" "$codes"
}

# [retry]
# create_safely KEY FIELDS: create vouchers once, however often it takes to ask. Store the key before the first call.
create_safely() {
    for pause in 1 2 4 8 0; do
        if echo "$2" | call CreateVouchers --header "Idempotency-Key: $1"; then
            case $(value faultstring) in
                ES005*) ;;
                ES*) return 0 ;;                                 # a fault that stays the same
                *) [ -z "$(value VoucherNumber)" ] || return 0 ;; # made; else it is a proxy's answer
            esac
        fi
        sleep $pause
    done
    return 1
}
# [/retry]

create_1000() {
    echo '<ChargeId>Vorlage</ChargeId><VoucherCount>1000</VoucherCount>' | call CreateVouchers
    same "$(number_of VoucherNumber)" 1000
    same "$(all VoucherNumber | sort -u | wc -l)" 1000
}

override() {
    call CreateVouchers <<XML
<ChargeId>Vorlage</ChargeId><VoucherCount>1</VoucherCount>
<Amount>25.50</Amount><MinOrderValue>99.90</MinOrderValue><Subshop>B2c</Subshop>
<Type>1</Type><Type2>2</Type2><ValidFrom>2030-01-01</ValidFrom><ValidUntil>2030-12-31</ValidUntil>
<VATIndex>2</VATIndex>
XML
    same "$(value Amount)" 25.50
    same "$(value MinOrderValue)" 99.90
    same "$(value Subshop)" B2c
    same "$(value Type)" 1
    same "$(value Type2)" 2
    same "$(value ValidFrom)" 2030-01-01
    same "$(value ValidUntil)" 2030-12-31
    same "$(value VATIndex)" 2
    same "$(number_of VoucherNumber)" 1
}

create_charge() {
    fields="<ChargeId>Neu-$CV_STACK</ChargeId><CreateCharge>true</CreateCharge><VoucherCount>3</VoucherCount>
        <Amount>5.00</Amount><ChargeDescr>Sommerfest, 5 € für jeden</ChargeDescr>"
    echo "$fields" | call CreateVouchers
    same "$(all VoucherNumber | sort -u | wc -l)" 3
    same "$(value Amount)" 5.00
    echo "$fields" | call CreateVouchers
    same "$(value faultstring)" 'ES018 ChargeId existiert bereits'
}

sentinels() {
    # The quotes around XML keep the shell away from $ChargeVal$.
    call CreateVouchers <<'XML'
<ChargeId>Vorlage</ChargeId><VoucherCount>1</VoucherCount>
<Subshop>$ChargeVal$</Subshop><Currency>$ChargeVal$</Currency><Type>-999999999</Type>
<Amount>-999999999</Amount><MinOrderValue>-999999999</MinOrderValue>
XML
    same "$(number_of VoucherNumber)" 1
    same_as_template
}

pool() {
    stock=$(count_pool)
    for number in 1 2 3; do
        draw 1
        same "$(all VoucherNumber)" "$CV_STACK-$number"
        same "$(value Amount)" 15.00
    done
    draw 1
    same "$(value faultstring)" 'ES024 Ungenügende Zahl von Gutscheinen im Pool (1)'
}

draw() {
    echo "<ChargeId>Pool-$CV_STACK</ChargeId><Pool>true</Pool><VoucherCount>$1</VoucherCount>" | call CreateVouchers
}

count_pool() {
    echo "<ChargeId>Pool-$CV_STACK</ChargeId>" | call GetVoucherPoolInfo
    value VoucherCount
}

# [paging]
# list_codes CHARGE: every code of a charge, a line each; says on the way what each page was like.
list_codes() {
    token=
    sizes=
    lasts=
    while :; do
        call GetVoucherCodes <<XML || return
<ChargeId>$1</ChargeId>${token:+<NextPageToken>$token</NextPageToken>}
XML
        all Num
        sizes="$sizes $(number_of VoucherData)"
        lasts="$lasts $(value LastPage)"
        token=$(value NextPageToken)
        [ "$(value LastPage)" = false ] || return
    done
}
# [/paging]

paging() {
    list_codes Seiten >"$CV_BUILD/codes"
    same "$sizes" ' 1000 1000 500'
    same "$lasts" ' false false true'
    same "$(number_of NextPageToken)" 1 # there on the last page, too
    same "$token" ''
    same "$(sort -u "$CV_BUILD/codes" | wc -l)" 2500
}

pool_info() {
    same "$stock" 3
    same "$(count_pool)" 0
}

charge_info() {
    echo '<ChargeId>Seiten</ChargeId>' | call GetVoucherChargeInfo
    same "$(value VoucherCount) $(value HasTemplate)" '2500 true'
    echo "<ChargeId>Neu-$CV_STACK</ChargeId>" | call GetVoucherChargeInfo
    same "$(value VoucherCount) $(value HasTemplate)" '3 false'
}

umlauts() {
    call CreateVouchers <<XML
<ChargeId>Frühling €</ChargeId><VoucherCount>1</VoucherCount><MsgID>Grüße: 5 €</MsgID>
XML
    same "$(value MsgID)" 'Grüße: 5 €'
    same "$(value Subshop)" 'Köln €'
    same "$(value Amount)" 7.50
}

absent() {
    cp "$CV_BUILD/first.xml" "$answer"
    same "$(number_of VoucherNumber)" 1
    same "$(number_of ValidFrom) $(number_of CustomerFilter) $(number_of MsgID)" '0 0 0'
}

wrong_password() {
    password=falsch
    echo '<ChargeId>Vorlage</ChargeId><VoucherCount>1</VoucherCount>' | call CreateVouchers
    password=geheim
    same "$(value faultstring)" 'ES002 Ungültige ShopID oder ungültiges Passwort'
}

missing_count() {
    echo '<ChargeId>Vorlage</ChargeId>' | call CreateVouchers
    same "$(value faultstring)" 'ES009 Fehlendes Pflichtfeld VoucherCount'
}

unknown_charge() {
    echo '<ChargeId>Gibt es nicht</ChargeId><VoucherCount>1</VoucherCount>' | call CreateVouchers
    same "$(value faultstring)" 'ES019 ChargeId existiert nicht'
}

empty_pool() {
    draw 2
    same "$(value faultstring)" 'ES024 Ungenügende Zahl von Gutscheinen im Pool (2)'
}

# check NAME FUNCTION: run it and say whether everything in it was as expected, else the first thing that was not.
check() {
    why=
    rm -f "$answer"
    "$2"
    if [ -z "$why" ]; then echo "ok $1"; else echo "FAIL $1 $why"; fi
}

same() {
    [ "$1" = "$2" ] || : "${why:="'$1' instead of '$2'"}"
}

echo "version $(curl --version | awk '{ print $2; exit }')"
check charges charges
check create-1 create_1
check create-2 create_2
check create-1000 create_1000
check override override
check create-charge create_charge
check sentinels sentinels
check pool pool
check paging paging
check pool-info pool_info
check charge-info charge_info
check umlauts umlauts
check absent absent
check ES002 wrong_password
check ES009 missing_count
check ES019 unknown_charge
check ES024 empty_pool
