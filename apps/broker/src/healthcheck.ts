import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';

import { GivenSettings } from './config/given-settings.js';

// For an image without a shell: asks the broker beside it whether it may take traffic, and ends with 0 if so, else
// with 1. It runs every few seconds, so it checks no settings, and loads of the broker only what finds them: by them it
// knows where the broker listens.
const { HOST, PORT, TLS_CERT_FILE } = settings();

const LIMIT_MS = 2_000;
/** Where to reach who listens on every address. */
const LOOPBACK: Readonly<Record<string, string>> = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '::': '::1' };

const host = HOST ?? '';
const asked = {
  host: LOOPBACK[host] ?? host,
  port: PORT || 3_000,
  path: '/health/ready',
  signal: AbortSignal.timeout(LIMIT_MS),
};
// The certificate is for the name that callers know, and whoever listens here is of this container.
const request = TLS_CERT_FILE ? overHttps({ ...asked, rejectUnauthorized: false }) : overHttp(asked);

request
  .on('response', ({ statusCode }) => end(statusCode === 200 ? undefined : `answered ${statusCode}`))
  // Of a name with several addresses, there is only a code.
  .on('error', ({ message, code }: NodeJS.ErrnoException) => end(message || code))
  .end();

function settings(): NodeJS.ProcessEnv {
  try {
    return new GivenSettings(process.env).read();
  } catch (error) {
    return end(error instanceof Error ? error.message : String(error));
  }
}

/** At once: what is still to come is of no interest, and may never come. */
function end(trouble?: string): never {
  // Shown by `docker inspect`.
  if (trouble !== undefined) process.stderr.write(`token-broker is not ready: ${trouble}\n`);
  process.exit(trouble === undefined ? 0 : 1);
}
