/**
 * A flame graph as SVG, from a `.cpuprofile`: the outermost function at the bottom, each as wide as its share of the time.
 *   node bench/flame-graph.mjs <in.cpuprofile> <out.svg>
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = pathToFileURL(join(import.meta.dirname, '..')).href;
const WIDTH = 1_200;
const ROW = 16;
const TOP = 40;
/** Less than this share of the time is not drawn. */
const LEAST = 0.003;
const CHARACTER = 6.1;
const BUNDLE = 'dist/apps/broker/broker.cjs';
let bundled;
/** Whose code it is, by the beginning of its file. The first that fits. */
const ROOMS = [
  { name: 'broker', starts: ['apps/', 'libs/'], colour: '#ffb77c' },
  { name: 'packages', starts: ['node_modules/'], colour: '#a5d6ff' },
  { name: 'Node', starts: ['node:'], colour: '#d0d7de' },
  { name: 'native and generated code, garbage collection', starts: [''], colour: '#e9d8fd' },
];

/**
 * Reads a profile, the frames of one function in one file as one.
 * @param range `fromUs` and `toUs`, on the clock of `process.hrtime`: all of it by default
 * @returns the tree `{ name, file, us, selfUs, children }`, without the time in which nothing ran
 */
export function readProfile({ nodes, samples, timeDeltas, startTime }, { fromUs = -Infinity, toUs = Infinity } = {}) {
  const selfUs = new Map();
  let atUs = startTime;
  for (const [i, id] of samples.entries()) {
    atUs += timeDeltas[i];
    const lasted = timeDeltas[i + 1] ?? 0;
    if (atUs >= fromUs && atUs < toUs) selfUs.set(id, (selfUs.get(id) ?? 0) + lasted);
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const tree = frame('all', '');
  const add = (node, into) => {
    into.selfUs += selfUs.get(node.id) ?? 0;
    for (const child of (node.children ?? []).map((id) => byId.get(id))) {
      const name = child.callFrame.functionName || '(anonymous)';
      if (name === '(idle)') continue;
      const file = fileOf(child.callFrame);
      const key = `${name} ${file}`;
      let merged = into.children.get(key);
      if (!merged) into.children.set(key, (merged = frame(name, file)));
      add(child, merged);
    }
  };
  add(nodes[0], tree);
  sumUp(tree);
  return tree;
}

/** @returns each function's own time, most first: `{ name, file, share }` */
export function selfTimes(tree) {
  const sums = new Map();
  const add = ({ name, file, selfUs, children }) => {
    const key = `${name} ${file}`;
    const sum = sums.get(key) ?? { name, file, us: 0 };
    sum.us += selfUs;
    sums.set(key, sum);
    for (const child of children.values()) add(child);
  };
  add(tree);
  const most = [...sums.values()].toSorted((a, b) => b.us - a.us);
  return most.map(({ name, file, us }) => ({ name, file, share: us / tree.us }));
}

/** Shares of the time by whose code ran itself: `{ name, share }`. */
export function roomShares(tree) {
  const shares = new Map(ROOMS.map(({ name }) => [name, 0]));
  for (const { file, share } of selfTimes(tree)) {
    const { name } = roomOf(file);
    shares.set(name, shares.get(name) + share);
  }
  return [...shares].map(([name, share]) => ({ name, share }));
}

export function flameGraph(tree, title) {
  const boxes = [];
  let deepest = 0;
  const place = (node, x, depth) => {
    deepest = Math.max(deepest, depth);
    boxes.push({ node, x, depth });
    const children = [...node.children.values()].filter(({ us }) => us / tree.us >= LEAST);
    for (const child of children.toSorted((a, b) => `${a.name} ${a.file}`.localeCompare(`${b.name} ${b.file}`, 'en'))) {
      place(child, x, depth + 1);
      x += (child.us / tree.us) * WIDTH;
    }
  };
  place(tree, 0, 0);
  const height = TOP + (deepest + 1) * ROW + 8;
  const drawn = boxes.map(({ node, x, depth }) => box(node, tree.us, x, height - 8 - (depth + 1) * ROW));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="ui-monospace, monospace" font-size="10">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="18" font-family="system-ui, sans-serif" font-size="14" font-weight="600" fill="#1f2328">${escaped(title)}</text>
${legend()}
${drawn.join('\n')}
</svg>
`;
}

function box({ name, file, us, selfUs }, allUs, x, y) {
  const width = (us / allUs) * WIDTH;
  const percent = (part) => `${((part / allUs) * 100).toFixed(1)} %`;
  const title = `${name}${file && ` (${file})`}: ${percent(us)}, itself ${percent(selfUs)}`;
  const fitting = Math.floor((width - 4) / CHARACTER);
  const text = name.length <= fitting ? name : `${name.slice(0, fitting - 1)}…`;
  const label = fitting < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escaped(text)}</text>`;
  const shape = `x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}"`;
  return `<g><title>${escaped(title)}</title><rect ${shape} fill="${roomOf(file).colour}"/>${label}</g>`;
}

function legend() {
  let x = WIDTH - 8;
  return ROOMS.toReversed()
    .map(({ name, colour }) => {
      x -= name.length * CHARACTER + 24;
      return `<rect x="${x.toFixed(1)}" y="8" width="10" height="10" fill="${colour}"/><text x="${(x + 14).toFixed(1)}" y="17">${name}</text>`;
    })
    .join('');
}

function roomOf(file) {
  return ROOMS.find(({ starts }) => starts.some((start) => file.startsWith(start)));
}

/** What the broker runs is a bundle, in which a comment stands above each file. */
function fileOf({ url, lineNumber }) {
  if (!url.endsWith(BUNDLE)) return projectPath(url);
  bundled ??= piecesOf(readFileSync(join(import.meta.dirname, '..', BUNDLE), 'utf8'));
  const path = bundled.findLast(({ line }) => line <= lineNumber)?.path ?? BUNDLE;
  return projectPath(`${ROOT}/${path}`);
}

function piecesOf(text) {
  return text.split('\n').flatMap((content, line) => {
    const path = /^\s*\/\/ ((?:node_modules|dist)\/\S+)$/.exec(content)?.[1];
    return path === undefined ? [] : [{ line, path }];
  });
}

/** As the file is called in the project, wherever that stands; TypeScript by its source. */
function projectPath(url) {
  if (url === '' || url.startsWith('node:')) return url;
  const text = url.startsWith('/') ? pathToFileURL(url).href : url;
  const packages = text.lastIndexOf('node_modules/');
  if (packages >= 0) return text.slice(packages);
  if (!text.startsWith(`${ROOT}/`)) return '';
  const path = decodeURI(text.slice(ROOT.length + 1));
  return path.startsWith('dist/') ? path.slice('dist/'.length).replace(/\.js$/, '.ts') : path;
}

function frame(name, file) {
  return { name, file, us: 0, selfUs: 0, children: new Map() };
}

function sumUp(node) {
  node.us = node.selfUs;
  for (const child of node.children.values()) node.us += sumUp(child);
  return node.us;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const [, script = '', input, output] = process.argv;
if (fileURLToPath(import.meta.url) === script && input !== undefined && output !== undefined) {
  const tree = readProfile(JSON.parse(readFileSync(input, 'utf8')));
  writeFileSync(output, flameGraph(tree, 'Where the time goes'));
}
