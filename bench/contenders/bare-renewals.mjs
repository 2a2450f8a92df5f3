/**
 * The calls of a renewal and nothing else: two trips to Redis, a grant over a connection that stays open, two more trips.
 * So much of a renewal's processor time is the platform's.
 *   node bare-renewals.mjs <Redis' port> <token endpoint> <how many a second>
 */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const [port, url, perSecond] = process.argv.slice(2);
const redis = connect(Number(port), '127.0.0.1').setNoDelay();
const waiting = [];
redis.on('data', (chunk) => {
  for (const byte of chunk) if (byte === 10) waiting.shift()?.();
});

const agent = new Agent({ keepAlive: true, scheduling: 'lifo' });
const headers = {
  authorization: `Basic ${Buffer.from('nobody:nothing').toString('base64')}`,
  'content-type': 'application/x-www-form-urlencoded',
};

function trip() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    redis.write('*1\r\n$4\r\nPING\r\n');
  });
}

function grant() {
  return new Promise((resolve, reject) => {
    request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().once('end', resolve);
    })
      .once('error', reject)
      .end('grant_type=client_credentials&merchant_vat=DK00000000');
  });
}

async function renew() {
  for (const step of [trip, trip, grant, trip, trip]) await step();
}

let done = 0;
const startedAt = performance.now();
setInterval(() => {
  for (const due = ((performance.now() - startedAt) / 1_000) * Number(perSecond); done < due; done += 1) void renew();
}, 250);
console.log('started');
