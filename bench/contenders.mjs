/** The contenders, each holding the same token and giving it to the same caller after the same checks. */
import { hash } from 'node:crypto';

import { cores, grants, registerClient, send, start, startBrokers, vat } from './processes.mjs';

const pinned = { core: cores?.server };

/** A broker that holds one token, asked by its own API.
 *  @param options as of `startBrokers` */
export async function broker(name, sandbox, env = {}, options = {}) {
  const { brokers, key } = await startBrokers(1, sandbox, env, { ...pinned, ...options });
  return { ...(await asked(name, brokers[0], key)), key };
}

/** The same broker, asked as an OAuth token endpoint. */
export async function oauthOf({ child, url, key }) {
  const headers = {
    authorization: `Basic ${Buffer.from(`bench:${key}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  const body = `grant_type=client_credentials&merchant_vat=${vat}`;
  const path = '/connect/token';
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return { name: 'd broker /connect/token', child, url, path, headers, body };
}

/** A server that is given the caller, as a hash of its key, and the token that the broker answered with.
 *  @param like the broker */
export async function bare(name, entry, { key, answer }) {
  const { child, url } = await start(entry, { BENCH_SETUP: setupFor(key, answer) }, pinned);
  return alike(await asked(name, { child, url }, key), answer);
}

/** The textbook's service, which gets its token itself. */
export async function textbook(name, sandbox, redis, { key, answer }) {
  const upstream = await upstreamSettings(sandbox);
  const env = { BENCH_SETUP: setupFor(key, answer), REDIS_URL: redis.url, NODE_ENV: 'production', ...upstream };
  const { child, url } = await start('dist/bench/contenders/textbook.js', env, pinned);
  return alike(await asked(name, { child, url }, key), answer);
}

/** What a service needs that asks the sandbox itself. */
export async function upstreamSettings(sandbox) {
  const { client_id: CLIENT_ID, client_secret: CLIENT_SECRET } = await registerClient(sandbox);
  return { CLIENT_ID, CLIENT_SECRET, TOKEN_ENDPOINT: `${sandbox.url}/integrator-authentication/connect/token` };
}

function setupFor(key, { access_token, scope, token_id, expires_in }) {
  const caller = { key_id: key.slice(4, 16), key_hash: hash('sha256', key, 'hex'), grants };
  return JSON.stringify({ caller, token: { access_token, scope, token_id, expires_in } });
}

async function asked(name, { child, url }, key) {
  const body = { client: 'bench', merchant_vat: vat };
  const path = '/v1/tokens';
  const answer = await send('POST', url + path, key, body);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return { name, child, url, path, headers, body: JSON.stringify(body), answer };
}

async function alike(contender, answer) {
  const { name, url, path, headers, body } = contender;
  const fields = (of) => Object.keys(of).toSorted().join();
  if (fields(contender.answer) !== fields(answer)) throw new Error(`${name} answers otherwise than the broker`);
  const strangers = { 401: [{ ...headers, authorization: 'Bearer wrong' }, body], 400: [headers, '{}'] };
  strangers[403] = [headers, body.replace('"bench"', '"other"')];
  for (const [status, [theirs, text]] of Object.entries(strangers)) {
    const response = await fetch(url + path, { method: 'POST', headers: theirs, body: text });
    if (response.status !== Number(status)) throw new Error(`${name} answered ${response.status} for ${status}`);
  }
  return contender;
}
