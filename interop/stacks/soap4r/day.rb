# A day of an integrator with soap4r: every operation of the voucher service, and how its answers are read.
#
# Prints a line per check, `ok <check>` or `FAIL <check> <why>`.

# [first-call]
require 'securerandom'
require 'soap/wsdlDriver'
require 'soap/filter/streamhandler'
require 'xsd/xmlparser/rexmlparser'

# soap4r's own reader tells REXML the encoding after REXML has begun to read, and today's REXML then loses its
# place: "Malformed XML: Content at the start of the document". This one leaves the encoding to the document.
class CurrentREXMLParser < XSD::XMLParser::REXMLParser
  def do_parse(xml)
    @charset = 'utf-8'
    REXML::Document.parse_stream(xml, self)
  end

  add_factory(self)
end

# Puts the Idempotency-Key into a call's HTTP headers.
class IdempotencyKey < SOAP::Filter::StreamHandler
  attr_writer :key

  def on_http_outbound(request)
    request.header.set('Idempotency-Key', @key) if @key
  end
end

class VoucherService
  def initialize(wsdl, ca_file, shop, password)
    @login = { ShopID: shop, Password: password }
    @driver = SOAP::WSDLDriverFactory.new(wsdl).create_rpc_driver
    @driver.options['protocol.http.ssl_config.ca_file'] = ca_file # httpclient checks certificate and host by itself
    @driver.streamhandler.filterchain << (@key = IdempotencyKey.new)
  end

  # One call. Only the fields given are sent; one that is absent in the answer is nil: answer['ValidFrom'].
  def call(operation, fields, key = nil)
    @key.key = key
    @driver.public_send(operation, request: @login.merge(fields)).response
  ensure
    @key.key = nil
  end

  def create(fields, key = nil)
    call(:CreateVouchers, fields, key)
  end
end

# A list as an array: soap4r reads one element as itself, and a list without any as an empty text.
def entries(list, name)
  return [] if list.nil? || list == ''

  found = list[name]
  found.is_a?(Array) ? found : [found]
end

def codes_of(answer)
  entries(answer['VoucherNumbers'], 'VoucherNumber')
end
# [/first-call]

# [retry]
# What may come in place of an answer: no connection, none in time, a proxy's page, no SOAP.
NO_ANSWER = [
  SystemCallError, SocketError, IOError, OpenSSL::SSL::SSLError, HTTPClient::TimeoutError,
  HTTPClient::KeepAliveDisconnected, SOAP::HTTPStreamError, SOAP::ResponseFormatError
].freeze

# Creates vouchers once, however often it takes to ask. Store the key with the order before the first call.
def create_safely(service, fields, key)
  pauses = [1, 2, 4, 8]
  begin
    service.create(fields, key)
  rescue SOAP::FaultError, *NO_ANSWER => e
    later = !e.is_a?(SOAP::FaultError) || e.message.start_with?('ES005') # any other fault stays the same
    raise unless later && (pause = pauses.shift)

    sleep pause
    retry
  end
end
# [/retry]

# [fault]
# The text of the fault that the call ends in: `ES009 Fehlendes Pflichtfeld VoucherCount`.
def fault
  yield
rescue SOAP::FaultError => e
  e.message
else
  raise 'no fault came'
end
# [/fault]

def same(found, expected)
  raise "#{found.inspect} instead of #{expected.inspect}" unless found == expected
end

class Day
  def initialize(service, intruder, stack)
    @service = service
    @intruder = intruder
    @stack = stack
  end

  def checks
    {
      'charges' => :charges,
      'create-1' => :create_one,
      'create-2' => :create_two,
      'create-1000' => :create_thousand,
      'override' => :override,
      'create-charge' => :create_charge,
      'sentinels' => :sentinels,
      'pool' => :pool,
      'paging' => :paging,
      'pool-info' => :pool_info,
      'charge-info' => :charge_info,
      'umlauts' => :umlauts,
      'absent' => :absent,
      'ES002' => :wrong_password,
      'ES009' => :missing_field,
      'ES019' => :unknown_charge,
      'ES024' => :empty_pool
    }
  end

  def charges
    templates = list_charges({})
    same(templates['Vorlage']['Amount'], '10.00')
    same(templates['Vorlage']['Currency'], 'EUR')
    same(templates.key?('OhneVorlage'), false)

    all = list_charges(ChargeType: 'all')
    same(all['Vorlage']['Amount'], '10.00')
    same(all['OhneVorlage']['ChargeId'], 'OhneVorlage')
    same(all['OhneVorlage']['Amount'], nil)
  end

  def list_charges(fields)
    list = @service.call(:GetVoucherCharges, fields)['ChargeList']
    entries(list, 'ChargeData').to_h { |charge| [charge['ChargeId'], charge] }
  end

  def create_one
    @first = @service.create(ChargeId: 'Vorlage', VoucherCount: 1)
    codes = codes_of(@first)
    same(codes.size, 1)
    same(codes.first.match?(/\A[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\z/), true)
    same_as_vorlage(@first)
  end

  def same_as_vorlage(answer)
    # The dynamic driver reads every value as text. An amount for computing: BigDecimal(answer['Amount'])
    same(answer['Amount'], '10.00')
    same(answer['AmountType'], '0')
    same(answer['Currency'], 'EUR')
    same(answer['MinOrderValue'], '50.00')
    same(answer['Subshop'], 'B2c,B2B')
    same(answer['Type'], '0')
    same(answer['Type2'], '1')
    same(answer['VATIndex'], '-1')
  end

  def create_two
    key = SecureRandom.hex(16)
    order = { ChargeId: 'Vorlage', VoucherCount: 2 }
    codes = codes_of(create_safely(@service, order, key))
    same(codes.size, 2)
    same(codes.uniq.size, 2)

    # As if the first answer had been lost: the same codes, not two more.
    same(codes_of(create_safely(@service, order, key)), codes)
  end

  def create_thousand
    codes = codes_of(@service.create(ChargeId: 'Vorlage', VoucherCount: 1000))
    same(codes.size, 1000)
    same(codes.uniq.size, 1000)
  end

  def override
    terms = {
      Amount: '25.50', # a string, and not a frozen one: soap4r strips its leading zeros in place
      MinOrderValue: '99.90',
      Subshop: 'B2c',
      Type: 1,
      Type2: 2,
      ValidFrom: '2030-01-01',
      ValidUntil: '2030-12-31',
      VATIndex: 2
    }
    answer = @service.create({ ChargeId: 'Vorlage', VoucherCount: 1 }.merge(terms))
    terms.each { |name, value| same(answer[name.to_s], value.to_s) }
    same(codes_of(answer).size, 1)
  end

  def create_charge
    order = {
      ChargeId: "Neu-#{@stack}",
      CreateCharge: true,
      ChargeDescr: 'Made by soap4r',
      Amount: '5.00',
      VoucherCount: 3
    }
    answer = @service.create(order)
    same(answer['Amount'], '5.00')
    same(codes_of(answer).size, 3)
    same(codes_of(answer).uniq.size, 3)
    same(fault { @service.create(order) }, 'ES018 ChargeId existiert bereits')
  end

  def sentinels
    # soap4r can leave fields out; these values are for data that has them already.
    answer = @service.create(
      ChargeId: 'Vorlage',
      VoucherCount: 1,
      Subshop: '$ChargeVal$',
      Currency: '$ChargeVal$',
      Type: -999_999_999,
      Amount: -999_999_999,
      MinOrderValue: -999_999_999
    )
    same_as_vorlage(answer)
  end

  def pool
    @stock = pool_count
    draw = { ChargeId: "Pool-#{@stack}", Pool: true, VoucherCount: 1 }
    (1..3).each do |number|
      answer = @service.create(draw)
      same(codes_of(answer), ["#{@stack}-#{number}"])
      same(answer['Amount'], '15.00')
    end
    same(fault { @service.create(draw) }, 'ES024 Ungenügende Zahl von Gutscheinen im Pool (1)')
  end

  def pool_count
    @service.call(:GetVoucherPoolInfo, ChargeId: "Pool-#{@stack}")['VoucherCount']
  end

  # [paging]
  def paging
    pages = []
    token = '' # the first page
    loop do
      page = @service.call(:GetVoucherCodes, ChargeId: 'Seiten', NextPageToken: token)
      pages << page
      break if page['LastPage'] == 'true' # a text; 'false' is true to Ruby

      token = page['NextPageToken']
    end
    codes = pages.map { |page| entries(page['VoucherList'], 'VoucherData').map { |voucher| voucher['Num'] } }

    same(codes.map(&:size), [1000, 1000, 500])
    same(codes.flatten.uniq.size, 2500)
    same(pages.map { |page| page['LastPage'] }, %w[false false true])
    same(pages.last['NextPageToken'], '')
  end
  # [/paging]

  def pool_info
    same(@stock, '3')
    same(pool_count, '0')
  end

  def charge_info
    pages = @service.call(:GetVoucherChargeInfo, ChargeId: 'Seiten')
    same(pages['VoucherCount'], '2500')
    same(pages['HasTemplate'], 'true')

    made = @service.call(:GetVoucherChargeInfo, ChargeId: "Neu-#{@stack}")
    same(made['VoucherCount'], '3')
    same(made['HasTemplate'], 'false')
  end

  def umlauts
    answer = @service.create(ChargeId: 'Frühling €', VoucherCount: 1, MsgID: 'Grüße: 5 €')
    same(answer['MsgID'], 'Grüße: 5 €')
    same(answer['Subshop'], 'Köln €')
    same(answer['Amount'], '7.50')
    same(codes_of(answer).size, 1)
  end

  def absent
    same(@first['Amount'].nil?, false)
    %w[ValidFrom CustomerFilter MsgID].each { |field| same(@first[field], nil) }
  end

  def wrong_password
    text = fault { @intruder.create(ChargeId: 'Vorlage', VoucherCount: 1) }
    same(text, 'ES002 Ungültige ShopID oder ungültiges Passwort')
  end

  def missing_field
    same(fault { @service.create(ChargeId: 'Vorlage') }, 'ES009 Fehlendes Pflichtfeld VoucherCount')
  end

  def unknown_charge
    text = fault { @service.create(ChargeId: 'gibt es nicht', VoucherCount: 1) }
    same(text, 'ES019 ChargeId existiert nicht')
  end

  def empty_pool
    draw = { ChargeId: "Pool-#{@stack}", Pool: true, VoucherCount: 2 }
    same(fault { @service.create(draw) }, 'ES024 Ungenügende Zahl von Gutscheinen im Pool (2)')
  end
end

wsdl, ca_file, stack = %w[CV_WSDL_FILE CV_CA CV_STACK].map { |name| ENV.fetch(name) }
service = VoucherService.new(wsdl, ca_file, 'TestShop', 'geheim')
intruder = VoucherService.new(wsdl, ca_file, 'TestShop', 'falsch')
day = Day.new(service, intruder, stack)
failed = false
day.checks.each do |name, check|
  day.public_send(check)
  puts "ok #{name}"
rescue StandardError => e
  failed = true
  puts "FAIL #{name} #{e.class}: #{e.message}".split.join(' ')
end
exit !failed
