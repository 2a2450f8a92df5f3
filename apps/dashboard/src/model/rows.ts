import type { TimelineEvent } from '#cluster';

export const STATES = ['failing', 'dead', 'expiring', 'refreshing', 'fresh'] as const;
/** The worst first. */
export type RowState = (typeof STATES)[number];

/** One item of `GET v1/tokens`. */
export interface TokenItem {
  readonly client: string;
  readonly merchant_vat?: string;
  readonly scope?: string;
  readonly environment: string;
  readonly credential_generation: number;
  readonly state: RowState;
  readonly seconds_left: number;
  readonly generation?: number;
  readonly token_id?: string;
  readonly refreshed_by?: string;
  readonly refreshed_at?: string;
  readonly lease?: { readonly replica: string; readonly seconds_left: number };
  readonly last_error?: { readonly code: string; readonly detail: string; readonly retry_after: number };
}

/** A key as the table shows it. Never changed, only replaced: what has not changed need not be drawn. */
export interface Row {
  readonly id: string;
  readonly client: string;
  /** Empty: the token bound to no merchant. */
  readonly merchant: string;
  readonly scope: string;
  readonly environment: string;
  readonly credentialGeneration: number;
  readonly state: RowState;
  /** When it refreshes or fails no longer, unless it is told otherwise: a lease ends, and a failure cools. */
  readonly passesAtMs: number;
  readonly lifeMs: number;
  /** 0 if there is no token. */
  readonly expiresAtMs: number;
  readonly generation: number;
  readonly tokenId: string | undefined;
  readonly refreshedBy: string;
  /** 0 if never. */
  readonly refreshedAtMs: number;
  readonly errorCode: string;
  readonly error: string;
  /** What the search looks in, in lower case. */
  readonly words: string;
}

/** Of its life, what a token has left when the broker starts to renew it, by default. Only a guess of the page, which the
 *  next full reading puts right: the threshold is a setting that it does not know. */
export const EXPIRING_SHARE = 0.25;

export function rowId(client: string, merchant = '', scope = ''): string {
  return [client, merchant, ...(scope ? [scope] : [])].join('/');
}

export function rowOf(item: TokenItem, nowMs: number): Row {
  const refreshedAtMs = item.refreshed_at === undefined ? 0 : Date.parse(item.refreshed_at);
  const expiresAtMs = item.token_id === undefined ? 0 : nowMs + item.seconds_left * 1_000;
  return withWords({
    id: rowId(item.client, item.merchant_vat, item.scope),
    client: item.client,
    merchant: item.merchant_vat ?? '',
    scope: item.scope ?? '',
    environment: item.environment,
    credentialGeneration: item.credential_generation,
    state: item.state,
    passesAtMs: nowMs + (item.lease?.seconds_left ?? item.last_error?.retry_after ?? 0) * 1_000,
    lifeMs: expiresAtMs === 0 ? 0 : expiresAtMs - refreshedAtMs,
    expiresAtMs,
    generation: item.generation ?? 0,
    tokenId: item.token_id,
    refreshedBy: item.lease?.replica ?? item.refreshed_by ?? '',
    refreshedAtMs,
    errorCode: item.last_error?.code ?? '',
    error: item.last_error?.detail ?? '',
  });
}

/** All rows of the items: of a key that is held under an old secret and a new one, the newer. */
export function rowsOf(items: readonly TokenItem[], nowMs: number): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const item of items) {
    const row = rowOf(item, nowMs);
    if ((rows.get(row.id)?.credentialGeneration ?? 0) <= row.credentialGeneration) rows.set(row.id, row);
  }
  return rows;
}

/**
 * Changes the rows by what happened.
 * @returns whether anything did change
 */
export function applyEvent(rows: Map<string, Row>, event: TimelineEvent): boolean {
  if (event.client === undefined) return false;
  const id = rowId(event.client, event.merchant_vat);
  const row = rows.get(id);
  const changed = changedBy(row ?? blankRow(id, event), event);
  if (changed === undefined) return false;
  rows.set(id, withWords(changed));
  return true;
}

function changedBy(row: Row, event: TimelineEvent): Row | undefined {
  const atMs = Date.parse(event.at);
  switch (event.kind) {
    case 'refreshed': {
      // The stream may tell again what the reading has told already, and later things too.
      if ((event.generation ?? 0) < row.generation || atMs < row.refreshedAtMs) return undefined;
      const lifeMs = (event.life_seconds ?? 0) * 1_000;
      return {
        ...row,
        state: 'fresh',
        lifeMs,
        expiresAtMs: atMs + lifeMs,
        generation: event.generation ?? row.generation,
        tokenId: event.token_id,
        refreshedBy: event.replica,
        refreshedAtMs: atMs,
        errorCode: '',
        error: '',
      };
    }
    case 'failed':
      // Without the time to wait it only tells how often it came again.
      if (atMs < row.refreshedAtMs || event.retry_after === undefined) return undefined;
      return {
        ...row,
        state: 'failing',
        passesAtMs: atMs + event.retry_after * 1_000,
        errorCode: event.code ?? '',
        error: event.detail ?? '',
      };
    case 'invalidated':
      if (row.tokenId === undefined || (event.token_id !== undefined && event.token_id !== row.tokenId)) {
        return undefined;
      }
      return { ...row, state: 'dead', tokenId: undefined, expiresAtMs: 0, lifeMs: 0 };
    case 'rotated':
    case 'client_changed':
    case 'replica_came':
    case 'replica_went':
      return undefined;
    default:
      return event.kind satisfies never;
  }
}

function blankRow(id: string, { client = '', merchant_vat = '', environment = '' }: TimelineEvent): Row {
  return {
    id,
    client,
    merchant: merchant_vat,
    scope: '',
    environment,
    credentialGeneration: 0,
    state: 'dead',
    passesAtMs: 0,
    lifeMs: 0,
    expiresAtMs: 0,
    generation: 0,
    tokenId: undefined,
    refreshedBy: '',
    refreshedAtMs: 0,
    errorCode: '',
    error: '',
    words: '',
  };
}

/**
 * Moves the rows on whose state the clock has changed.
 * @returns whether there were any
 */
export function applyTime(rows: Map<string, Row>, nowMs: number): boolean {
  let isChanged = false;
  for (const row of rows.values()) {
    const state = stateAt(row, nowMs);
    if (state === row.state) continue;
    rows.set(row.id, withWords({ ...row, state }));
    isChanged = true;
  }
  return isChanged;
}

function stateAt({ state, passesAtMs, expiresAtMs, lifeMs }: Row, nowMs: number): RowState {
  if (state === 'dead') return state;
  if ((state === 'failing' || state === 'refreshing') && nowMs < passesAtMs) return state;
  const leftMs = expiresAtMs - nowMs;
  if (leftMs <= 0) return 'dead';
  return state === 'expiring' || leftMs <= lifeMs * EXPIRING_SHARE ? 'expiring' : 'fresh';
}

function withWords(row: Omit<Row, 'words'>): Row {
  const { client, merchant, scope, environment, state, errorCode, error } = row;
  return {
    ...row,
    words: `${client} ${merchant} ${scope} ${environment} ${state} ${errorCode} ${error}`.toLowerCase(),
  };
}
