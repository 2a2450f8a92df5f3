export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined if it is none. */
  readonly json: Record<string, unknown>;
}

export async function call(method: string, url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { method, redirect: 'manual', ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

export function callJson(method: string, url: string, body: unknown, headers: Record<string, string> = {}) {
  return call(method, url, {
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export function callForm(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return call('POST', url, { headers, body: new URLSearchParams(form) });
}

export function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function parsed(text: string): Answer['json'] {
  try {
    return JSON.parse(text) as Answer['json'];
  } catch {
    return {};
  }
}
