/** What the broker's `/metrics` lists for a histogram `x`, `x` aside. */
const HISTOGRAM_ENDINGS = /_(?:bucket|sum|count)$/;
const KEYWORDS = new Set('and or unless on ignoring group_left group_right bool offset by without inf nan'.split(' '));

/** The names of the metrics that a query in PromQL reads. That the query is well-formed is promtool's to say.
 *  @param query without Grafana's variables */
export function metricsIn(query: string): string[] {
  const bare = query
    .replaceAll(/#.*$/gm, '')
    .replaceAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    // Labels stand in parentheses behind these words, metrics nowhere.
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/gi, ' ');
  const words = [...bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g)].map(([word]) => word);
  return [...new Set(words.filter((word) => !KEYWORDS.has(word.toLowerCase())))];
}

/** The same name as the line `# TYPE` has it. */
export function familyOf(metric: string, families: ReadonlySet<string>): string {
  return families.has(metric) ? metric : metric.replace(HISTOGRAM_ENDINGS, '');
}

/** What a text in Prometheus' format announces, whether there are samples of it or not. */
export function familiesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name));
}
