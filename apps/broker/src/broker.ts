import 'reflect-metadata';

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { Vault, VaultError } from '#vault';

import { AppModule } from './app.module.js';
import { Refusals } from './audit/refusals.js';
import { type BrokerConfig, ConfigError } from './config/broker-config.js';
import { loadConfig } from './config/config.module.js';
import { Drain } from './http/drain.js';
import { harden } from './hardening.js';
import { Metrics } from './health/metrics.js';
import { createFastify } from './http/fastify.js';
import { Front } from './http/front.js';
import { ProblemFilter } from './http/problem.filter.js';
import { Routes } from './http/routes.js';
import { securityHeaders } from './http/security-headers.js';
import { PinoLogger } from './log/pino-logger.js';
import { followSettings } from './reload.js';
import { StatusBoard } from './status/status-board.js';
import { QuickTokens } from './token/quick-tokens.js';
import { isTraced } from './tracing/tracer.js';

/** `EX_CONFIG` of sysexits.h. */
const EXIT_CONFIG = 78;
/** How often connections without a request are closed while draining. */
const SWEEP_MS = 100;

/** Starts, listens, serves until it is told to stop, and drains. */
export async function run(): Promise<void> {
  harden();
  try {
    const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
    const config = loadConfig();
    const front = new Front(securityHeaders(config.tls !== undefined), config.limits);
    const app = await create(config, front);
    const log = await PinoLogger.open(config.logLevel, config.logFormat);
    process.once('exit', () => log.flush());
    app.useLogger(log);
    // A fault of ours in what nobody waits for: said loudly, and no reason to leave the tills without tokens.
    process.on('unhandledRejection', (error) => log.error({ event: 'internal_error', error }));
    await app.init();
    // Not Nest's own listen: it logs a failure too, beside the line below that says it.
    const address = await app
      .getHttpAdapter()
      .getInstance()
      .listen({ port: config.port, host: hostOf(config) });
    log.log({
      event: 'started',
      tokens: config.redis ? 'shared in Redis' : 'in memory, one replica',
      clients: app.get(Vault).clients.length,
    });
    for (const [record, { message }] of app.get(Vault).locked) {
      log.error({ event: 'record_locked', record, reason: message });
    }
    followSettings(app, front, log);
    // Not through the log: scripts and people wait for this line, whatever the log level.
    process.stdout.write(`token-broker listening on ${address}\n`);
    await stopped;
    await drain(app, config, log);
    // A call to MobilePay that nobody waits for any more would keep the process for as long as it takes.
    setTimeout(() => process.exit(0), app.get(Drain).leftMs).unref();
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    // Not just the exit code: connections to Redis that are open by now would keep the process alive.
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
  }
}

async function create(config: BrokerConfig, front: Front): Promise<NestFastifyApplication> {
  const routes = new Routes();
  const filter = new ProblemFilter(routes);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    createFastify(config, filter, routes, front),
    {
      bodyParser: false,
      abortOnError: false,
      logger: false,
    },
  );
  app.useGlobalFilters(filter);
  const refusals = app.get(Refusals);
  const vault = app.get(Vault);
  refusals.isClient = (name) => vault.findClient(name) !== undefined;
  app.get(Metrics).replicasSeen = () => app.get(StatusBoard).replicasAlive();
  filter.onRefusal = (code, request) => refusals.note(code, request);
  // What is traced goes the whole way.
  if (!isTraced()) app.get(QuickTokens).serveFrom(front);
  const state = app.get(Drain);
  state.onBegin(() => front.close());
  const keep = (socket: Socket) => state.keep(socket);
  // The second is what runs within a TLS connection, once its handshake is done.
  app.getHttpServer().on('connection', keep).on('secureConnection', keep);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (_, reply, done) => {
      if (state.draining) void reply.header('Connection', 'close');
      done();
    });
  return app;
}

/** For `localhost`, Fastify would open a second server, on ::1, that knows none of our limits. */
function hostOf({ host }: BrokerConfig): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

/** Says that it is not ready, serves on until load balancers have seen that, then answers what is under way. */
async function drain(app: NestFastifyApplication, config: BrokerConfig, log: PinoLogger): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));
  app.get(Drain).begin();
  log.log({ event: 'draining' });
  await sleep(config.shutdownDelayMs);
  app.get(Drain).endWithin(config.shutdownTimeoutMs);
  const server = app.getHttpServer();
  const cut = setTimeout(() => {
    server.closeAllConnections();
    // It knows no connection whose handshake is not done.
    for (const socket of app.get(Drain).sockets) socket.destroy();
  }, config.shutdownTimeoutMs);
  // A connection whose answer was under way is kept alive after it, and nobody else closes it.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    app.get(Drain).closeUnused();
  }, SWEEP_MS);
  await app.close();
  clearInterval(sweep);
  clearTimeout(cut);
  log.flush();
  log.log({ event: 'stopped' });
}

/** One clear line for what an operator can mend; everything for what only we can. */
function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.problems.map((problem) => `setting ${problem}`).join('\n');
  if (error instanceof VaultError) return `token-broker cannot start: ${error.message}`;
  if (!(error instanceof Error)) return `token-broker cannot start: ${String(error)}`;
  return 'syscall' in error ? `token-broker cannot start: ${listenFailure(error)}` : (error.stack ?? error.message);
}

function listenFailure({ message }: Error): string {
  return message.includes('EADDRINUSE') ? `the port is in use (${message})` : message;
}
