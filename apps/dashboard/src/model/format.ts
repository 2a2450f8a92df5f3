/** The page is in English, its times are on the clock of whoever looks, with 24 hours. */
const LOCALE = 'en-GB';

const whole = new Intl.NumberFormat(LOCALE);
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const timeOfDay = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minuteOfDay = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' });

export function count(value: number): string {
  return whole.format(value);
}

/** For headlines: from 100,000 on the last digits say nothing. */
export function shortCount(value: number): string {
  return value < 100_000 ? whole.format(value) : compact.format(value);
}

export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** In per cent, rounded down: 100 % means all of them. */
export function share(part: number, all: number): string {
  if (all <= 0) return '–';
  return `${Math.floor((Math.max(0, part) / all) * 1_000) / 10} %`;
}

export function latency(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  return ms < 10_000 ? `${count(Math.round(ms))} ms` : `${Math.round(ms / 100) / 10} s`;
}

export function clockTime(atMs: number): string {
  return timeOfDay.format(atMs);
}

export function clockMinute(atMs: number): string {
  return minuteOfDay.format(atMs);
}

/** For a title: local, and as logs have it. */
export function absolute(atMs: number): string {
  return `${day.format(atMs)} ${timeOfDay.format(atMs)} (${new Date(atMs).toISOString()})`;
}

export function dayOf(atMs: number): string {
  return day.format(atMs);
}

/** A token's life on a running clock: `04:59`, `61:39`, and hours only from 100 minutes on. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(left / 60);
  if (minutes < 100) return `${two(minutes)}:${two(left % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(left % 60)}`;
}

/** A duration to be read at a glance: two units at most. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  if (total < 60) return `${total} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return withRest(hours, 'h', minutes % 60, 'min');
  return withRest(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

export function ago(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1_000);
  if (seconds < 2) return 'just now';
  // One unit is enough here, and does not jump in width each minute.
  return `${duration(seconds).split(' ').slice(0, 2).join(' ')} ago`;
}

function withRest(value: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${value} ${unit}` : `${value} ${unit} ${rest} ${restUnit}`;
}
