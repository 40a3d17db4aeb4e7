// A till's day with strong-soap: every operation of the voucher service, and how its answers are read.
//
// Prints a line per check: `ok <check>` or `FAIL <check> <why>`.

// [first-call]
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import strongSoap from 'strong-soap';

// Whom to trust. Without it Node trusts the public authorities.
const ca = readFileSync(process.env.CV_CA);

const createClient = promisify(strongSoap.soap.createClient);
const client = await createClient(process.env.CV_WSDL, {
  wsdl_options: { ca, timeout: 30_000 }, // for the WSDL only
});

const LOGIN = { ShopID: 'TestShop', Password: 'geheim' };

async function call(operation, fields, headers) {
  // A field that is undefined or null would be sent as an empty one, which overrides the charge's value.
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
  const request = { ...LOGIN, ...given };
  refuseMisspelt(operation, request);
  const { result } = await client[operation]({ request }, { ca, timeout: 60_000 }, headers);
  if (!result) throw new Error('the answer is not SOAP'); // a proxy's page for people
  return result.response;
}

// The service ignores fields that it does not know, so a misspelt Amount would make vouchers with the charge's.
function refuseMisspelt(operation, fields) {
  const [request] = client.describe().createvouchers.createvouchers[operation].input.body.elements;
  const known = request.elements.map((element) => element.qname.name);
  for (const field of Object.keys(fields)) {
    if (!known.includes(field)) throw new TypeError(`${operation} has no field ${field}`);
  }
}

// Creates vouchers: the terms they got, and their codes. What is not among the fields comes from the charge.
function create(fields, headers) {
  return call('CreateVouchers', fields, headers);
}

function codesOf(answer) {
  return answer.VoucherNumbers.VoucherNumber;
}
// [/first-call]

// [retry]
// Creates vouchers once, however often it takes to ask. Store the key with the order before the first call.
async function createSafely(key, fields) {
  for (const seconds of [1, 2, 4, 8]) {
    try {
      return await create(fields, { 'Idempotency-Key': key });
    } catch (error) {
      const text = faultText(error); // undefined: no answer, so nobody knows whether there are vouchers now
      if (text !== undefined && !text.startsWith('ES005')) throw error; // any other fault stays the same
      await sleep(seconds * 1000);
    }
  }
  return create(fields, { 'Idempotency-Key': key });
}
// [/retry]

// [faults]
// The text of a fault, which begins with its code; undefined when the error is none of the service's.
function faultText(error) {
  return error.root?.Envelope?.Body?.Fault?.faultstring;
}
// [/faults]

async function faultOf(operation, fields) {
  try {
    await call(operation, fields);
  } catch (error) {
    return faultText(error) ?? String(error);
  }
  throw new Error('no fault came');
}

const STACK = process.env.CV_STACK;
const POOL = `Pool-${STACK}`;
const NEW = `Neu-${STACK}`;

const seen = {}; // what a later check wants to know

async function charges() {
  const templates = await listCharges({});
  same(templates.get('Vorlage').Amount, 10); // decimals are numbers
  same(templates.get('Vorlage').Currency, 'EUR');
  same(templates.has('OhneVorlage'), false);
  const every = await listCharges({ ChargeType: 'all' });
  same(every.has('Vorlage'), true);
  same(every.get('OhneVorlage').Amount, undefined);
}

async function listCharges(fields) {
  const { ChargeList } = await call('GetVoucherCharges', fields);
  return new Map(listOf(ChargeList, 'ChargeData').map((charge) => [charge.ChargeId, charge]));
}

// [lists]
// The entries of a list. One without entries is undefined.
function listOf(list, name) {
  return list?.[name] ?? [];
}
// [/lists]

async function createOne() {
  const answer = (seen.first = await create({ ChargeId: 'Vorlage', VoucherCount: 1 }));
  const codes = codesOf(answer);
  same(codes.length, 1); // a list of one is a list
  assert.match(codes[0], /^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
  sameAsTemplate(answer);
}

function sameAsTemplate(answer) {
  same(answer.Amount, 10);
  same(answer.AmountType, 0);
  same(answer.Currency, 'EUR');
  same(answer.MinOrderValue, 50);
  same(answer.Subshop, 'B2c,B2B');
  same(answer.Type, 0);
  same(answer.Type2, 1);
  same(answer.VATIndex, -1);
}

async function createTwo() {
  const key = randomUUID();
  const order = { ChargeId: 'Vorlage', VoucherCount: 2 };
  const codes = codesOf(await createSafely(key, order));
  same(codes.length, 2);
  same(new Set(codes).size, 2);
  // As if the first answer had been lost: the same codes, not two more.
  same(codesOf(await createSafely(key, order)), codes);
}

async function createThousand() {
  const codes = codesOf(await create({ ChargeId: 'Vorlage', VoucherCount: 1000 }));
  same(codes.length, 1000);
  same(new Set(codes).size, 1000);
}

async function override() {
  const terms = {
    Amount: 25.5,
    MinOrderValue: 99.9,
    Subshop: 'B2c',
    Type: 1,
    Type2: 2,
    ValidFrom: '2030-01-01',
    ValidUntil: '2030-12-31',
    VATIndex: 2,
  };
  const answer = await create({ ChargeId: 'Vorlage', VoucherCount: 1, ...terms });
  same(codesOf(answer).length, 1);
  same(Object.fromEntries(Object.keys(terms).map((field) => [field, answer[field]])), terms);
}

async function createCharge() {
  const fields = {
    ChargeId: NEW,
    CreateCharge: true,
    VoucherCount: 3,
    Amount: '5.00', // text is possible too, and sent as it is
    ChargeDescr: 'Sommerfest, 5 € für jeden',
  };
  const answer = await create(fields);
  same(codesOf(answer).length, 3);
  same(new Set(codesOf(answer)).size, 3);
  same(answer.Amount, 5);
  same(await faultOf('CreateVouchers', fields), 'ES018 ChargeId existiert bereits');
}

async function sentinels() {
  // strong-soap can leave fields out, so these are for data that has them already.
  const answer = await create({
    ChargeId: 'Vorlage',
    VoucherCount: 1,
    Subshop: '$ChargeVal$',
    Currency: '$ChargeVal$',
    Type: -999999999,
    Amount: -999999999,
    MinOrderValue: -999999999,
  });
  sameAsTemplate(answer);
}

async function pool() {
  seen.stock = await poolCount();
  const one = { ChargeId: POOL, Pool: true, VoucherCount: 1 };
  const drawn = [];
  for (let count = 0; count < 3; count++) {
    const answer = await create(one);
    same(answer.Amount, 15);
    drawn.push(...codesOf(answer));
  }
  same(drawn, [`${STACK}-1`, `${STACK}-2`, `${STACK}-3`]);
  same(await faultOf('CreateVouchers', one), 'ES024 Ungenügende Zahl von Gutscheinen im Pool (1)');
}

async function poolCount() {
  return (await call('GetVoucherPoolInfo', { ChargeId: POOL })).VoucherCount;
}

// [paging]
// Every page of a charge's vouchers.
async function* pages(chargeId) {
  let token; // call() sends no field that is undefined
  for (;;) {
    const page = await call('GetVoucherCodes', { ChargeId: chargeId, NextPageToken: token });
    yield page;
    if (page.LastPage) return;
    token = page.NextPageToken;
  }
}
// [/paging]

async function paging() {
  const found = [];
  for await (const page of pages('Seiten')) found.push(page);
  const lists = found.map((page) => listOf(page.VoucherList, 'VoucherData').map((voucher) => voucher.Num));
  same(lists.map((codes) => codes.length), [1000, 1000, 500]);
  same(new Set(lists.flat()).size, 2500);
  same(found.map((page) => page.LastPage), [false, false, true]);
  same(found.map((page) => page.NextPageToken !== undefined), [true, true, false]); // empty is undefined
}

async function poolInfo() {
  same(seen.stock, 3);
  same(await poolCount(), 0);
}

async function chargeInfo() {
  same(await call('GetVoucherChargeInfo', { ChargeId: 'Seiten' }), { VoucherCount: 2500, HasTemplate: true });
  same(await call('GetVoucherChargeInfo', { ChargeId: NEW }), { VoucherCount: 3, HasTemplate: false });
}

async function umlauts() {
  const answer = await create({ ChargeId: 'Frühling €', VoucherCount: 1, MsgID: 'Grüße: 5 €' });
  same(codesOf(answer).length, 1);
  same(answer.MsgID, 'Grüße: 5 €');
  same(answer.Subshop, 'Köln €');
  same(answer.Amount, 7.5);
}

async function absent() {
  for (const field of ['ValidFrom', 'CustomerFilter', 'MsgID']) same(field in seen.first, false);
  same('Amount' in seen.first, true);
}

async function wrongPassword() {
  const text = await faultOf('CreateVouchers', { Password: 'falsch', ChargeId: 'Vorlage', VoucherCount: 1 });
  same(text, 'ES002 Ungültige ShopID oder ungültiges Passwort');
}

async function missingCount() {
  same(await faultOf('CreateVouchers', { ChargeId: 'Vorlage' }), 'ES009 Fehlendes Pflichtfeld VoucherCount');
}

async function unknownCharge() {
  const text = await faultOf('CreateVouchers', { ChargeId: 'Gibt es nicht', VoucherCount: 1 });
  same(text, 'ES019 ChargeId existiert nicht');
}

async function emptyPool() {
  const text = await faultOf('CreateVouchers', { ChargeId: POOL, Pool: true, VoucherCount: 2 });
  same(text, 'ES024 Ungenügende Zahl von Gutscheinen im Pool (2)');
}

const CHECKS = {
  charges,
  'create-1': createOne,
  'create-2': createTwo,
  'create-1000': createThousand,
  override,
  'create-charge': createCharge,
  sentinels,
  pool,
  paging,
  'pool-info': poolInfo,
  'charge-info': chargeInfo,
  umlauts,
  absent,
  ES002: wrongPassword,
  ES009: missingCount,
  ES019: unknownCharge,
  ES024: emptyPool,
};

function same(found, expected) {
  assert.deepEqual(found, expected);
}

for (const [name, check] of Object.entries(CHECKS)) {
  try {
    await check();
    console.log('ok', name);
  } catch (error) {
    console.log('FAIL', name, String(error).replace(/\s+/g, ' '));
  }
}
