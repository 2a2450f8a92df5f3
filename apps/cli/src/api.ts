/** What the broker refused, in its own words, or why it could not be asked. Its code is the exit code. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
    /** The problem document, where there is one. */
    readonly problem?: unknown,
  ) {
    super(message);
    this.name = 'CliError';
  }
}

export const EXIT = { refused: 1, usage: 2, unreachable: 3, unauthorized: 4 } as const;

const TIME_LIMIT_MS = 60_000;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; an empty object if it is none. */
  readonly json: Record<string, unknown>;
}

/** A running broker, as one caller sees it. */
export class Api {
  constructor(
    readonly url: string,
    private readonly key: string | undefined,
  ) {}

  /** @param body a form goes as multipart, anything else as JSON
   *  @throws CliError */
  async call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const answer = await this.#fetch(method, path, body);
    const text = await answer.text();
    const json = parsed(text);
    if (answer.ok) return { status: answer.status, headers: answer.headers, text, json };
    const { title = `the broker answered ${answer.status}`, detail, errors } = json;
    const fields = Array.isArray(errors)
      ? errors.map((e) => `\n  ${String(Object(e).field)} ${String(Object(e).detail)}`)
      : [];
    const isRefused = answer.status === 401 || answer.status === 403;
    const said = fields.length > 0 ? fields.join('') : typeof detail === 'string' ? `: ${detail}` : '';
    throw new CliError(`${String(title)}${said}`, isRefused ? EXIT.unauthorized : EXIT.refused, json);
  }

  async #fetch(method: string, path: string, body: unknown): Promise<Response> {
    const isForm = body instanceof FormData;
    const isJson = body !== undefined && !isForm;
    const headers = {
      ...(this.key !== undefined && { authorization: `Bearer ${this.key}` }),
      ...(isJson && { 'content-type': 'application/json' }),
    };
    const signal = AbortSignal.timeout(TIME_LIMIT_MS);
    try {
      const init = { method, headers, signal, redirect: 'error' as const };
      return await fetch(
        `${this.url}${path}`,
        isForm ? { ...init, body } : isJson ? { ...init, body: JSON.stringify(body) } : init,
      );
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : 'no answer';
      throw new CliError(`cannot reach a broker at ${this.url}: ${cause}`, EXIT.unreachable);
    }
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
