const TIME_LIMIT_MS = 15_000;

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One call; a body that is a form goes as multipart, another one as JSON. */
export async function call(
  method: string,
  url: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: object } = {},
): Promise<Answer> {
  const isForm = body instanceof FormData;
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body !== undefined && !isForm && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIME_LIMIT_MS),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : Object(JSON.parse(text)) };
}

/** The same where only success will do.
 *  @throws Error with the problem's own words */
export async function demand(...args: Parameters<typeof call>): Promise<Answer['body']> {
  const { status, body } = await call(...args);
  if (status < 300) return body;
  const reason = ['detail', 'error_description', 'message'].map((name) => body[name]).find(isText) ?? 'no reason given';
  throw new Error(`${args[0]} ${new URL(args[1]).pathname} answered ${status}: ${reason}`);
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
