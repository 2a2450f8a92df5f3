/**
 * The service that a team would write for this from the textbook: Nest on Express, a guard, the global ValidationPipe,
 * and the tokens in Redis: one GET for each request; on a miss a lock with SET NX, for which the others poll.
 */
import 'reflect-metadata';

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Header,
  HttpCode,
  Injectable,
  Module,
  type OnModuleDestroy,
  Post,
  Req,
  ServiceUnavailableException,
  UnauthorizedException,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import axios from 'axios';
import { IsInt, IsOptional, Matches, Max, Min } from 'class-validator';
import { Redis } from 'ioredis';

/** Tokens with less life than this are not given out, in ms. */
const MARGIN_MS = 60_000;
const LOCK_MS = 10_000;
const POLL_MS = 50;
const WAIT_MS = 10_000;

interface Grant {
  readonly client: string;
  readonly merchants: readonly string[];
}

interface Caller {
  readonly key_id: string;
  readonly key_hash: string;
  readonly grants: readonly Grant[];
}

interface CachedToken {
  readonly access_token: string;
  readonly token_type: string;
  readonly scope: string;
  readonly expires_at: string;
  readonly token_id: string;
}

interface CallerRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  caller?: Caller;
}

const setup = JSON.parse(process.env['BENCH_SETUP'] ?? '{}') as { caller: Caller };
const { REDIS_URL = '', CLIENT_ID = '', CLIENT_SECRET = '', TOKEN_ENDPOINT = '' } = process.env;

class TokenRequest {
  @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/)
  client!: string;

  @Matches(/^(DK|FI)\d{8}$/)
  merchant_vat!: string;

  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(600)
  min_validity?: number;
}

@Injectable()
class KeyGuard implements CanActivate {
  readonly #callers = new Map([[setup.caller.key_id, setup.caller]]);

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<CallerRequest>();
    const [scheme, key = ''] = (request.headers['authorization'] ?? '').split(' ');
    const caller = this.#callers.get(key.slice(4, 16));
    const hash = createHash('sha256').update(key).digest();
    if (scheme !== 'Bearer' || !caller || !timingSafeEqual(hash, Buffer.from(caller.key_hash, 'hex'))) {
      throw new UnauthorizedException();
    }
    request.caller = caller;
    return true;
  }
}

@Injectable()
class TokenService implements OnModuleDestroy {
  readonly #redis = new Redis(REDIS_URL);

  async get(client: string, merchantVat: string, minValidityMs: number): Promise<CachedToken> {
    const key = `token:${client}:${merchantVat}`;
    const neededMs = Math.max(MARGIN_MS, minValidityMs);
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      const text = await this.#redis.get(key);
      const cached = text === null ? undefined : (JSON.parse(text) as CachedToken);
      if (cached && Date.parse(cached.expires_at) - Date.now() >= neededMs) return cached;
      const owner = randomUUID();
      if ((await this.#redis.set(`lock:${key}`, owner, 'PX', LOCK_MS, 'NX')) === null) continue;
      try {
        return await this.#fetch(key, merchantVat);
      } finally {
        if ((await this.#redis.get(`lock:${key}`)) === owner) await this.#redis.del(`lock:${key}`);
      }
    }
    throw new ServiceUnavailableException();
  }

  onModuleDestroy(): void {
    this.#redis.disconnect();
  }

  async #fetch(key: string, merchantVat: string): Promise<CachedToken> {
    const form = new URLSearchParams({ grant_type: 'client_credentials', merchant_vat: merchantVat });
    const { data } = await axios.post<{ access_token: string; expires_in: number; scope: string }>(
      TOKEN_ENDPOINT,
      form,
      {
        auth: { username: encodeURIComponent(CLIENT_ID), password: encodeURIComponent(CLIENT_SECRET) },
        timeout: 5_000,
      },
    );
    const token: CachedToken = {
      access_token: data.access_token,
      token_type: 'Bearer',
      scope: data.scope,
      expires_at: new Date(Date.now() + data.expires_in * 1_000).toISOString(),
      token_id: createHash('sha256').update(data.access_token).digest('base64url').slice(0, 16),
    };
    await this.#redis.set(key, JSON.stringify(token), 'PX', data.expires_in * 1_000);
    return token;
  }
}

@Controller('v1/tokens')
@UseGuards(KeyGuard)
class TokensController {
  constructor(private readonly tokens: TokenService) {}

  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async create(@Req() request: CallerRequest, @Body() { client, merchant_vat, min_validity = 0 }: TokenRequest) {
    if (!request.caller?.grants.some((grant) => allows(grant, client, merchant_vat))) throw new ForbiddenException();
    const { access_token, token_type, scope, expires_at, token_id } = await this.tokens.get(
      client,
      merchant_vat,
      min_validity * 1_000,
    );
    const expires_in = Math.floor((Date.parse(expires_at) - Date.now()) / 1_000);
    return { access_token, token_type, expires_in, expires_at, scope, client, merchant_vat, token_id };
  }
}

@Module({ controllers: [TokensController], providers: [TokenService, KeyGuard] })
class AppModule {}

function allows(grant: Grant, client: string, merchantVat: string): boolean {
  return matches(grant.client, client) && grant.merchants.some((each) => matches(each, merchantVat));
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

const app = await NestFactory.create(AppModule, { logger: ['error'] });
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }));
await app.listen(0, '127.0.0.1');
process.stdout.write(`textbook listening on ${await app.getUrl()}\n`);
