/** How answers are shown: as JSON for scripts, as text for people. */
export class Output {
  constructor(readonly isJson: boolean) {}

  /** @param asText lines for a person */
  show(value: unknown, asText: () => string): void {
    process.stdout.write(`${this.isJson ? JSON.stringify(value, null, 2) : asText()}\n`);
  }

  /** Rows under a header, in columns as wide as they need. */
  table(value: unknown, header: readonly string[], rows: readonly (readonly unknown[])[]): void {
    this.show(value, () => {
      const all = [header, ...rows.map((row) => row.map(cell))];
      const widths = header.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
      return all
        .map((line) =>
          line
            .map((text, column) => text.padEnd(widths[column] ?? 0))
            .join('  ')
            .trimEnd(),
        )
        .join('\n');
    });
  }
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export type Fields = Record<string, unknown>;

/** The items of a list as the API gives it. */
export function itemsOf(json: Fields, name = 'items'): Fields[] {
  const items = json[name];
  return Array.isArray(items) ? items.filter(isFields) : [];
}

/** One value under another, for a person. */
export function lines(fields: Fields): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`)
    .join('\n');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
