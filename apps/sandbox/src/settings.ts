export interface SandboxSettings {
  /** The address or name to listen on. Everybody who reaches it may do everything: default 127.0.0.1. */
  readonly host: string;
  /** TCP port; 0 takes any free one. Default 3001. */
  readonly port: number;
  /** `expires_in` of the tokens, in seconds. Default 3700, as in MobilePay's example. */
  readonly expiresInSeconds: number;
  /** How long each token call takes at least, in ms. Default 150. */
  readonly latencyMs: number;
}

/** @throws Error naming every setting that is wrong */
export function readSettings(env: NodeJS.ProcessEnv): SandboxSettings {
  const problems: string[] = [];
  const whole = (name: string, fallback: number, min: number, max: number): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) problems.push(`${name} must be a whole number from ${min} to ${max}`);
    return value;
  };
  const settings = {
    host: env['SANDBOX_HOST'] || '127.0.0.1',
    port: whole('SANDBOX_PORT', 3001, 0, 65_535),
    expiresInSeconds: whole('SANDBOX_EXPIRES_IN', 3_700, 1, 86_400),
    latencyMs: whole('SANDBOX_LATENCY_MS', 150, 0, 60_000),
  };
  if (problems.length > 0) throw new Error(problems.join('; '));
  return settings;
}
