/** For `--import`, with `--expose-gc`: on SIGUSR2 the process collects its garbage and prints what is left, in bytes. */
process.on('SIGUSR2', () => {
  globalThis.gc();
  globalThis.gc();
  process.stdout.write(`heap ${process.memoryUsage().heapUsed}\n`);
});
