import { PinoLogger } from './pino-logger.js';

const ESC = '\u001b';

async function aLogger(format: 'json' | 'pretty') {
  const written: string[] = [];
  const log = await PinoLogger.open('trace', format, { write: (text) => void written.push(text) });
  return { log, text: () => written.join(''), lines: () => written.join('').trimEnd().split('\n') };
}

describe('json', () => {
  it('is one object per line, with the room that it comes from', async () => {
    const { log, lines } = await aLogger('json');
    log.log({ event: 'started', clients: 2 });
    log.log({ event: 'token_refreshed', token_id: 'abc' }, 'token');
    log.log('Mapped {/health, GET} route', 'Router');
    const read = lines().map((line) => JSON.parse(line) as object);
    const time = expect.stringMatching(/^20\d\d-.*Z$/);
    expect(read).toEqual([
      { level: 'info', time, event: 'started', clients: 2 },
      { level: 'info', time, room: 'token', event: 'token_refreshed', token_id: 'abc' },
      { level: 'debug', time, room: 'Router', msg: 'Mapped {/health, GET} route' },
    ]);
  });

  it('makes what is handed over as a function only where it is written', async () => {
    const { log, lines } = await aLogger('json');
    let made = 0;
    const line = () => ({ event: 'token_lease', made: (made += 1) });
    log.debug(line, 'token');
    log.level = 'info';
    log.debug(line, 'token');
    expect(lines().map((text) => JSON.parse(text) as object)).toMatchObject([
      { level: 'debug', room: 'token', event: 'token_lease', made: 1 },
    ]);
    expect(made).toBe(1);
  });

  it('counts warnings and errors, and nothing else', async () => {
    const { log, lines } = await aLogger('json');
    for (let n = 0; n < 300; n += 1) {
      log.warn({ event: 'token_failed', client: 'acme', code: 'upstream_unavailable' }, 'token');
      log.error({ event: 'internal_error', error: new Error('a fault') }, 'http');
    }
    for (let n = 0; n < 3; n += 1) log.log({ event: 'draining' });
    expect(lines()).toHaveLength(5);
    log.flush();
    const counts = lines()
      .slice(5)
      .map((line) => JSON.parse(line) as object);
    expect(counts).toMatchObject([
      { level: 'warn', event: 'token_failed', client: 'acme', repeated: 299 },
      { level: 'error', event: 'internal_error', error: { message: 'a fault' }, repeated: 299 },
    ]);
  });

  it('says of an error where it was, and none of its members', async () => {
    const { log, text } = await aLogger('json');
    const error = Object.assign(new Error('failed'), { config: { headers: { Authorization: 'Basic canary' } } });
    log.error(error, 'http');
    log.error({ event: 'internal_error', error });
    expect(text()).toContain('pino-logger.spec');
    expect(text()).not.toContain('canary');
  });
});

describe('pretty', () => {
  it('is a line with the time, what happened and its members', async () => {
    const { log, lines } = await aLogger('pretty');
    log.log({ event: 'token_refreshed', client: 'acme', took_ms: 12 }, 'token');
    log.log('Mapped {/health, GET} route', 'Router');
    log.log({ event: 'draining' });
    expect(lines()).toEqual([
      expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: token token_refreshed \{"client":"acme","took_ms":12\}$/),
      expect.stringMatching(/^\[.*\] DEBUG: Router Mapped \{\/health, GET\} route$/),
      expect.stringMatching(/^\[.*\] INFO: draining$/),
    ]);
  });

  it('shows an error with its stack, none of its members, and no colours where there is no terminal', async () => {
    const { log, text } = await aLogger('pretty');
    const error = Object.assign(new TypeError('failed'), { config: { headers: { Authorization: 'Basic canary' } } });
    log.error({ event: 'internal_error', correlation_id: 'till-7', error }, 'http');
    expect(text()).toMatch(/ERROR: http internal_error \{"correlation_id":"till-7"\}\n[^]*TypeError: failed\n\s+at /);
    expect(text()).not.toContain('canary');
    expect(text()).not.toContain(ESC);
  });

  it('lets no value write to the terminal but as text', async () => {
    const { log, lines } = await aLogger('pretty');
    log.warn({ event: 'x', reason: `${ESC}[31m\nforged` });
    expect(lines()).toEqual([expect.stringContaining('{"reason":"\\u001b[31m\\nforged"}')]);
  });
});
