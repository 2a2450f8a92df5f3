import { once } from 'node:events';
import { connect } from 'node:net';

import type { Answer } from './http.js';

const LIMIT_MS = 10_000;

/** Writes text onto a bare socket, as no HTTP client would, and reads until the other side hangs up.
 *  @param how `end` says that no more comes; `reset` cuts the line after 50 ms */
export async function rawExchange(url: string, text: string, how: 'wait' | 'end' | 'reset' = 'wait'): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding('latin1').setTimeout(LIMIT_MS);
  let said = '';
  socket.on('data', (part) => (said += String(part)));
  // A server may hang up on what it does not like: what it said before counts.
  socket.on('error', () => {});
  socket.on('timeout', () => socket.destroy(new Error('no end')));
  await once(socket, 'connect');
  socket.write(Buffer.from(text, 'latin1'));
  if (how === 'end') socket.end();
  if (how === 'reset') setTimeout(() => socket.resetAndDestroy(), 50);
  await once(socket, 'close').catch(() => {});
  return said;
}

/** A request whose path goes out as it is written: fetch would tidy it up. */
export async function rawRequest(
  method: string,
  url: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<Answer> {
  const all = {
    host: 'broker',
    connection: 'close',
    ...headers,
    ...(body && { 'content-length': String(body.length) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return readAnswer(await rawExchange(url, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`));
}

export function readAnswer(said: string): Answer {
  const [head = '', ...rest] = said.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
  const text = Buffer.from(rest.join('\r\n\r\n'), 'latin1').toString();
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]),
    headers,
    text,
    json: text.startsWith('{') ? (JSON.parse(text) as Answer['json']) : {},
  };
}
