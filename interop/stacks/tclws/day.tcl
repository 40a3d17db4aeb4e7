# A till's day with tclws: every operation of the voucher service, and how its answers are read.
#
# Prints a line per check: `ok <check>` or `FAIL <check> <why>`.

# [first-call]
package require Tcl 8.6
package require tls
package require WS::Client

# Whom to trust. TclTLS does not compare the certificate's name with the host's, so that is done here.
proc secureSocket {args} {
    set host [lindex $args end-1]
    tls::socket -cafile $::env(CV_CA) -require 1 -servername $host -command [list checkTls $host] {*}$args
}

proc checkTls {host what args} {
    if {$what ne "verify"} return
    lassign $args channel depth certificate ok
    if {!$ok || $depth > 0} {
        return $ok
    }
    return [string equal -nocase [commonName [dict get $certificate subject]] $host]
}

proc commonName {subject} {
    set name ""
    regexp {(?:^|[^\\],)CN=([^,]*)} $subject -> name
    return $name
}

http::register https 443 secureSocket

# tclws would wait for an answer for ever.
rename http::geturl http::geturlForEver
proc http::geturl {url args} {
    return [http::geturlForEver $url -timeout 60000 {*}$args]
}

# Without this tclws sends empty requests: the calls' types are not named like their elements.
WS::Client::SetOption skipLevelWhenActionPresent 1
WS::Client::GetAndParseWsdl $env(CV_WSDL) {} vouchers

set login {ShopID TestShop Password geheim}

# A call with a dictionary of fields; the answer is one, too. What is absent in the answer is no key of it.
proc call {operation fields {headers {}}} {
    set request [dict merge $::login $fields]
    refuseMisspelt $operation $request
    dict set arguments $operation request $request
    set answer [WS::Client::DoCall vouchers $operation $arguments $headers]
    return [dict get $answer ${operation}Response response]
}

# tclws drops fields that it does not know, so a misspelt Amount would make vouchers with the charge's.
proc refuseMisspelt {operation fields} {
    set type [WS::Utils::GetServiceTypeDef Client vouchers tns1:${operation}RequestData]
    foreach field [dict keys $fields] {
        if {![dict exists $type definition $field]} {
            error "$operation has no field $field"
        }
    }
}

# Creates vouchers: the terms they got, and their codes. What is not among the fields comes from the charge.
proc create {fields {headers {}}} {
    return [call CreateVouchers $fields $headers]
}

proc codesOf {answer} {
    return [dict get $answer VoucherNumbers VoucherNumber]
}
# [/first-call]

# [retry]
# Creates vouchers once, however often it takes to ask. Store the key with the order before the first call.
proc createSafely {key fields} {
    set headers [list Idempotency-Key $key]
    foreach seconds {1 2 4 8} {
        try {
            return [create $fields $headers]
        } trap {WS CLIENT REMERR} {text options} {
            if {![string match "ES005*" $text]} {
                return -options $options $text ;# any other fault stays the same
            }
        } on error {} {
            # No answer, or a proxy's: nobody knows whether there are vouchers now.
        }
        after [expr {$seconds * 1000}]
    }
    return [create $fields $headers]
}
# [/retry]

# [faults]
# The text of the fault that a call ends with. It begins with the code.
proc faultOf {operation fields} {
    try {
        call $operation $fields
    } trap {WS CLIENT REMERR} {text} {
        return $text
    }
    error "no fault came"
}
# [/faults]

set pool Pool-$env(CV_STACK)
set new Neu-$env(CV_STACK)

proc charges {} {
    set templates [listCharges {}]
    same [dict get $templates Vorlage Amount] 10.00
    same [dict get $templates Vorlage Currency] EUR
    same [dict exists $templates OhneVorlage] 0
    set every [listCharges {ChargeType all}]
    same [dict exists $every Vorlage] 1
    same [dict exists $every OhneVorlage] 1
    same [dict exists $every OhneVorlage Amount] 0
}

proc listCharges {fields} {
    set charges {}
    foreach charge [listOf [call GetVoucherCharges $fields] ChargeList ChargeData] {
        dict set charges [dict get $charge ChargeId] $charge
    }
    return $charges
}

# [lists]
# The entries of a list, which may have none.
proc listOf {answer list entry} {
    if {[dict exists $answer $list $entry]} {
        return [dict get $answer $list $entry]
    }
    return {}
}
# [/lists]

proc createOne {} {
    set answer [set ::first [create {ChargeId Vorlage VoucherCount 1}]]
    set codes [codesOf $answer]
    same [llength $codes] 1
    same [regexp {^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$} [lindex $codes 0]] 1
    sameAsTemplate $answer
}

proc sameAsTemplate {answer} {
    # Everything is text; an amount is exact to the cent.
    foreach {field value} {
        Amount 10.00 AmountType 0 Currency EUR MinOrderValue 50.00 Subshop B2c,B2B Type 0 Type2 1 VATIndex -1
    } {
        same [dict get $answer $field] $value
    }
}

proc createTwo {} {
    set key [newKey]
    set order {ChargeId Vorlage VoucherCount 2}
    set codes [codesOf [createSafely $key $order]]
    same [llength [lsort -unique $codes]] 2
    # As if the first answer had been lost: the same codes, not two more.
    same [codesOf [createSafely $key $order]] $codes
}

# [key]
proc newKey {} {
    set random [open /dev/urandom rb]
    try {
        return [binary encode hex [read $random 16]]
    } finally {
        close $random
    }
}
# [/key]

proc createThousand {} {
    set codes [codesOf [create {ChargeId Vorlage VoucherCount 1000}]]
    same [llength $codes] 1000
    same [llength [lsort -unique $codes]] 1000
}

proc override {} {
    set terms {
        Amount 25.50 MinOrderValue 99.90 Subshop B2c Type 1 Type2 2
        ValidFrom 2030-01-01 ValidUntil 2030-12-31 VATIndex 2
    }
    set answer [create [dict merge {ChargeId Vorlage VoucherCount 1} $terms]]
    same [llength [codesOf $answer]] 1
    dict for {field value} $terms {
        same [dict get $answer $field] $value
    }
}

proc createCharge {} {
    set fields {CreateCharge true VoucherCount 3 Amount 5.00 ChargeDescr "Sommerfest, 5 € für jeden"}
    dict set fields ChargeId $::new
    set answer [create $fields]
    same [llength [lsort -unique [codesOf $answer]]] 3
    same [dict get $answer Amount] 5.00
    same [faultOf CreateVouchers $fields] "ES018 ChargeId existiert bereits"
}

proc sentinels {} {
    # tclws can leave fields out, so these are for data that has them already.
    # In braces: between quotation marks Tcl would look for a variable.
    sameAsTemplate [create {
        ChargeId Vorlage VoucherCount 1 Subshop $ChargeVal$ Currency $ChargeVal$
        Type -999999999 Amount -999999999 MinOrderValue -999999999
    }]
}

proc pool {} {
    set ::stock [poolCount]
    set draw [list ChargeId $::pool Pool true VoucherCount 1]
    foreach number {1 2 3} {
        set answer [create $draw]
        same [codesOf $answer] [list $::env(CV_STACK)-$number]
        same [dict get $answer Amount] 15.00
    }
    same [faultOf CreateVouchers $draw] "ES024 Ungenügende Zahl von Gutscheinen im Pool (1)"
}

proc poolCount {} {
    return [dict get [call GetVoucherPoolInfo [list ChargeId $::pool]] VoucherCount]
}

# [paging]
# Every page of a charge's vouchers.
proc pagesOf {chargeId} {
    set fields [dict create ChargeId $chargeId]
    while 1 {
        set page [call GetVoucherCodes $fields]
        lappend pages $page
        if {[dict get $page LastPage]} {
            return $pages
        }
        dict set fields NextPageToken [dict get $page NextPageToken]
    }
}
# [/paging]

proc paging {} {
    foreach page [pagesOf Seiten] {
        set vouchers [listOf $page VoucherList VoucherData]
        lappend sizes [llength $vouchers]
        lappend lastPages [dict get $page LastPage]
        lappend empty [expr {[dict get $page NextPageToken] eq ""}]
        foreach voucher $vouchers {
            lappend codes [dict get $voucher Num]
        }
    }
    same $sizes {1000 1000 500}
    same $lastPages {false false true}
    same $empty {0 0 1}
    same [llength [lsort -unique $codes]] 2500
}

proc poolInfo {} {
    same $::stock 3
    same [poolCount] 0
}

proc chargeInfo {} {
    same [call GetVoucherChargeInfo {ChargeId Seiten}] {VoucherCount 2500 HasTemplate true}
    same [call GetVoucherChargeInfo [list ChargeId $::new]] {VoucherCount 3 HasTemplate false}
}

proc umlauts {} {
    set answer [create {ChargeId "Frühling €" VoucherCount 1 MsgID "Grüße: 5 €"}]
    same [llength [codesOf $answer]] 1
    same [dict get $answer MsgID] "Grüße: 5 €"
    same [dict get $answer Subshop] "Köln €"
    same [dict get $answer Amount] 7.50
}

proc absent {} {
    same [dict exists $::first Amount] 1
    foreach field {ValidFrom CustomerFilter MsgID} {
        same [dict exists $::first $field] 0
    }
}

proc wrongPassword {} {
    set text [faultOf CreateVouchers {Password falsch ChargeId Vorlage VoucherCount 1}]
    same $text "ES002 Ungültige ShopID oder ungültiges Passwort"
}

proc missingCount {} {
    same [faultOf CreateVouchers {ChargeId Vorlage}] "ES009 Fehlendes Pflichtfeld VoucherCount"
}

proc unknownCharge {} {
    set text [faultOf CreateVouchers {ChargeId "Gibt es nicht" VoucherCount 1}]
    same $text "ES019 ChargeId existiert nicht"
}

proc emptyPool {} {
    set text [faultOf CreateVouchers [list ChargeId $::pool Pool true VoucherCount 2]]
    same $text "ES024 Ungenügende Zahl von Gutscheinen im Pool (2)"
}

proc same {found expected} {
    if {$found ne $expected} {
        error "$found instead of $expected"
    }
}

set checks {
    charges charges
    create-1 createOne
    create-2 createTwo
    create-1000 createThousand
    override override
    create-charge createCharge
    sentinels sentinels
    pool pool
    paging paging
    pool-info poolInfo
    charge-info chargeInfo
    umlauts umlauts
    absent absent
    ES002 wrongPassword
    ES009 missingCount
    ES019 unknownCharge
    ES024 emptyPool
}

fconfigure stdout -encoding utf-8 -buffering line
foreach {name check} $checks {
    if {[catch $check why]} {
        puts "FAIL $name [regsub -all {\s+} $why { }]"
    } else {
        puts "ok $name"
    }
}
