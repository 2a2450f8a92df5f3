import { createSandbox } from './sandbox.js';
import { readSettings } from './settings.js';

try {
  const settings = readSettings(process.env);
  const app = await createSandbox(settings);
  const address = await app.listen({ host: settings.host, port: settings.port });
  process.stdout.write(`sandbox listening on ${address}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
} catch (error) {
  const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sandbox cannot start: ${inUse ? `its port is in use (${reason})` : reason}\n`);
  process.exitCode = 1;
}
