/** node:http alone: the least that a service of this kind can be made of. No framework, no cache, no error documents. */
import { createServer } from 'node:http';

import { answer, authenticate, isTokenRequest, mayHave } from './setup.mjs';

const BODY_LIMIT_BYTES = 65_536;

const server = createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/v1/tokens') return refuse(response, 404);
  const caller = authenticate(request.headers.authorization);
  if (!caller) return refuse(response, 401);
  let size = 0;
  const chunks = [];
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES) request.destroy();
    else chunks.push(chunk);
  });
  return request.on('end', () => {
    const body = parsed(Buffer.concat(chunks).toString());
    if (!isTokenRequest(body)) return refuse(response, 400);
    const { client, merchant_vat: vat } = body;
    if (!mayHave(caller, client, vat)) return refuse(response, 403);
    const text = JSON.stringify(answer(client, vat));
    response.writeHead(200, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
    });
    return response.end(text);
  });
});

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`bare-http listening on http://127.0.0.1:${server.address().port}\n`);
});

function refuse(response, status) {
  return response.writeHead(status, { 'Content-Length': 0 }).end();
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
