import type { DestinationStream } from 'pino';
import { isColorSupported, prettyFactory } from 'pino-pretty';

/** Lines for people, in this process and at once: a line of the log stays before what is written after it. */
export function prettily(to: DestinationStream): DestinationStream {
  const pretty = prettyFactory({
    colorize: process.stdout.isTTY && isColorSupported,
    translateTime: 'SYS:HH:MM:ss.l',
    // Not a template: it would look for names in braces in the texts as well.
    messageFormat: ({ room, event, msg }) => [room, event, msg].filter((word) => typeof word === 'string').join(' '),
    ignore: 'room,event',
    singleLine: true,
  });
  return { write: (line) => to.write(pretty(line)) };
}
