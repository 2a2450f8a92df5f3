/** Gives up what the broker never needs. */
export function harden(): void {
  // Files that it makes are nobody else's.
  process.umask(0o077);
  // The signal would open a debugger, and through that every secret in memory.
  process.on('SIGUSR1', () => {});
  // The way by which most pollution of prototypes goes: as node --disable-proto=delete, for who starts us without.
  Reflect.deleteProperty(Object.prototype, '__proto__');
}
