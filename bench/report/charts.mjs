// The charts of the report, as SVG.
import * as echarts from 'echarts';

/** Colours that can be told apart with any eyes (Okabe and Ito), and a shape for each. */
const LOOKS = {
  tautline: { color: '#d55e00', symbol: 'circle', size: 13 },
  'tautline, route': { color: '#e69f00', symbol: 'circle', size: 11 },
  ws: { color: '#0072b2', symbol: 'rect', size: 9 },
  'ws-native': { color: '#56b4e9', symbol: 'rect', size: 9 },
  uws: { color: '#009e73', symbol: 'triangle', size: 10 },
  bun: { color: '#cc79a7', symbol: 'diamond', size: 11 },
  undici: { color: '#009e73', symbol: 'triangle', size: 10 },
  net: { color: '#8a8a8a', symbol: 'emptyCircle', size: 10 },
  'net.Socket': { color: '#8a8a8a', symbol: 'emptyCircle', size: 10 },
};
const NAMES = {
  tautline: 'Tautline',
  'tautline, route': 'Tautline, route',
  'ws-native': 'ws with native additions',
  uws: 'uWebSockets.js',
  net: 'raw net',
};
const TEXT = { color: '#222', fontFamily: 'sans-serif', fontSize: 12 };

export const nameOf = (id) => NAMES[id] ?? id;

function draw(width, height, option) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    textStyle: TEXT,
    legend: { top: 8, itemGap: 28, textStyle: TEXT },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

const axis = (name) => ({
  name,
  nameLocation: 'middle',
  nameTextStyle: TEXT,
  axisLabel: { ...TEXT, hideOverlap: true },
  splitLine: { show: true, lineStyle: { color: '#e4e4e4' } },
});

/**
 * A row for each workload, and in it a sign for each peer, at how many times cheaper it is than ws.
 *
 * @param {{ title: string, values: Record<string, number | undefined> }[]} rows
 * @param {string[]} ids
 */
export function dots(rows, ids) {
  const upwards = rows.toReversed();
  const series = [];
  for (const id of ids.filter((one) => rows.some(({ values }) => values[one] !== undefined))) {
    const { symbol, size, color } = LOOKS[id];
    series.push({
      name: nameOf(id),
      type: 'scatter',
      symbol,
      symbolSize: size,
      itemStyle: { color },
      data: upwards.flatMap(({ values }, y) => (values[id] === undefined ? [] : [[values[id], y]])),
    });
  }
  // What ws itself costs.
  series[0].markLine = {
    symbol: 'none',
    silent: true,
    label: { formatter: 'ws', ...TEXT },
    lineStyle: { color: LOOKS.ws.color, type: 'solid', width: 2 },
    data: [{ xAxis: 1 }],
  };
  return draw(860, 100 + 28 * rows.length, {
    grid: { left: 300, right: 30, top: 56, bottom: 46 },
    xAxis: {
      type: 'log',
      logBase: 2,
      nameGap: 28,
      ...axis('times cheaper than ws (processor time of a message)'),
    },
    yAxis: {
      type: 'category',
      data: upwards.map(({ title }) => title),
      axisLabel: { ...TEXT, interval: 0 },
      axisTick: { show: false },
      splitLine: { show: true, lineStyle: { color: '#f0f0f0' } },
    },
    series,
  });
}

/**
 * @param {string[]} groups
 * @param {{ name: string, data: number[] }[]} values - one for each group
 */
export function bars(groups, values, unit) {
  const colors = ['#0072b2', '#e69f00', '#009e73'];
  return draw(760, 320, {
    grid: { left: 90, right: 20, top: 50, bottom: 40 },
    xAxis: { type: 'category', data: groups, axisLabel: { ...TEXT, interval: 0 } },
    yAxis: { type: 'value', nameGap: 60, ...axis(unit) },
    series: values.map(({ name, data }, i) => ({
      name,
      type: 'bar',
      itemStyle: { color: colors[i] },
      data,
    })),
  });
}

/**
 * How something grows: both axes are logarithmic, so that what grows in proportion is a straight line.
 *
 * @param {number[]} steps
 * @param {Record<string, (number | undefined)[]>} lines
 */
export function growth(steps, lines, { x, y }) {
  const logarithmic = { type: 'log', logBase: 10 };
  return draw(640, 360, {
    grid: { left: 80, right: 30, top: 50, bottom: 50 },
    xAxis: { ...logarithmic, nameGap: 30, ...axis(x) },
    yAxis: { ...logarithmic, nameGap: 52, ...axis(y) },
    series: Object.entries(lines).map(([id, values]) => ({
      name: nameOf(id),
      type: 'line',
      symbol: LOOKS[id].symbol,
      symbolSize: LOOKS[id].size - 2,
      itemStyle: { color: LOOKS[id].color },
      lineStyle: { color: LOOKS[id].color },
      data: values.flatMap((value, i) => (value === undefined ? [] : [[steps[i], value]])),
    })),
  });
}
