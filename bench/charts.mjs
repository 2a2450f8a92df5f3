/** Charts as SVG, on a ground of their own, so that they can be read on a light page and on a dark one. */
import * as echarts from 'echarts';

const WIDTH = 720;
const BAR_HEIGHT = 34;
/** Of a character of a label at most, in pixels: the browser's font may be wider than what ECharts reckons with. */
const CHARACTER = 7.2;
const INK = '#1f2328';
const LINES = '#d0d7de';
const COLOURS = ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#cf222e', '#57606a'];
const base = {
  animation: false,
  backgroundColor: '#ffffff',
  color: COLOURS,
  textStyle: { fontFamily: 'system-ui, sans-serif', color: INK },
};

/** @param chart as a section has it: `{ name, title, kind, unit, items }`; `across` names the horizontal axis of lines */
export function svgOf(chart) {
  switch (chart.kind) {
    case 'bars':
      return drawn(chart, bars(chart), 70 + chart.items.length * BAR_HEIGHT);
    case 'lines':
      return drawn(chart, lines(chart), 320);
    default:
      throw new Error(`no chart of the kind ${chart.kind}`);
  }
}

function drawn({ name }, option, height) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({ ...base, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // The ids count all that was drawn in a run: counted by themselves, they are the same in each.
  const ids = new Map();
  const named = (id) => ids.get(id) ?? ids.set(id, `${name}-${ids.size}`).get(id);
  return `${svg.replaceAll(/zr\d+-[a-z]+-?\d+/g, named)}\n`;
}

/** Bars with their values, and a line from the lowest to the highest. */
function bars({ title, unit, items }) {
  const shown = items.toReversed();
  const longest = Math.max(...items.map(({ label }) => label.length));
  const axis = { axisLabel: { color: INK, fontSize: 12 }, axisLine: { show: false }, axisTick: { show: false } };
  return {
    title: heading(`${title} (${unit})`),
    grid: { left: 16 + longest * CHARACTER, right: 56, top: 44, bottom: 28 },
    xAxis: {
      type: 'value',
      ...axis,
      axisLabel: { ...axis.axisLabel, showMaxLabel: false },
      max: 'dataMax',
      splitNumber: 4,
      splitLine: { lineStyle: { color: LINES } },
    },
    yAxis: { type: 'category', data: shown.map(({ label }) => label), ...axis },
    series: [
      {
        type: 'bar',
        silent: true,
        barWidth: 16,
        data: shown.map(({ label, value }) => ({ value, itemStyle: { color: colourOf(label) } })),
      },
      {
        type: 'custom',
        silent: true,
        encode: { x: [0, 1], y: 2 },
        z: 3,
        data: shown.map(({ value, low, high }, i) => [low ?? value, high ?? value, i]),
        renderItem: (_, api) => {
          const [from, y] = api.coord([api.value(0), api.value(2)]);
          const [to] = api.coord([api.value(1), api.value(2)]);
          const { value } = shown[api.value(2)];
          return {
            type: 'group',
            children: [
              { type: 'line', shape: { x1: from, y1: y, x2: to, y2: y }, style: { stroke: INK, lineWidth: 1.5 } },
              { type: 'text', x: to + 6, y: y - 6, style: { text: format(value), fill: INK, fontSize: 12 } },
            ],
          };
        },
      },
    ],
  };
}

function lines({ title, unit, across, items }) {
  const axis = { type: 'value', axisLabel: { color: INK }, splitLine: { lineStyle: { color: LINES } } };
  return {
    title: heading(`${title} (${unit})`),
    legend: { silent: true, top: 28, left: 8, icon: 'rect', itemHeight: 3, textStyle: { color: INK } },
    grid: { left: 64, right: 32, top: 64, bottom: across ? 48 : 28 },
    xAxis: {
      ...axis,
      splitLine: { show: false },
      max: 'dataMax',
      ...(across && { name: across, nameLocation: 'middle', nameGap: 26 }),
    },
    yAxis: axis,
    series: items.map(({ label, points }) => ({
      type: 'line',
      name: label,
      data: points,
      showSymbol: false,
      silent: true,
    })),
  };
}

function heading(text) {
  return { text, left: 8, top: 8, textStyle: { color: INK, fontSize: 14, fontWeight: 600 } };
}

/** The broker's bars stand out. */
function colourOf(label) {
  return /^[cd] |broker/.test(label) ? COLOURS[0] : '#8c959f';
}

function format(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2);
}
