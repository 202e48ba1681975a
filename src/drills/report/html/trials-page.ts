import { basename } from 'node:path';
import type { TrialsReport } from '../trials.ts';
import { rangeText } from '../trials.ts';
import { axis, duration, scaleOf, text } from './markup.ts';
import { verdictWord } from './sentences.ts';
import { htmlPage } from './html-page.ts';

const WIDTH = 1_000;
const LEFT = 150;
const RIGHT = WIDTH - 30;

/** Several trials on one page: every figure as a dot, median and interval, a link to each trial's own page. */
export function renderTrialsHtml(report: TrialsReport): string {
  const { verdict, drill, fault, deployment, trials, lost, acknowledged, verdicts, failureBelow } = report;
  const title = `${verdictWord(verdict)}: ${drill}, ${fault}, ${trials.length} trials`;
  const sure =
    failureBelow === null
      ? ''
      : ` With 95 % confidence fewer than ${Math.ceil(failureBelow * 100)} % of such losses would fail.`;
  const said = `${verdicts.pass} of ${trials.length} passed; ${lost === 0 ? 'none' : lost} of ${acknowledged} acknowledged writes lost.${sure}`;
  const body = `<p class="about"><span>Farshore drill ${text(drill)}</span><span>${text(fault)}</span><span>deployment ${text(deployment)}</span></p>
<header class="verdict ${verdict}"><div><span class="word">${verdictWord(verdict).toUpperCase()}</span><h1>${trials.length} trials of ${text(drill)}, ${text(fault)}</h1><p>${text(said)}</p></div></header>
<h2>Each trial</h2>
<p class="quiet">One dot is one trial, at a random moment of the lease. The line is the median, the band the interval that holds it with 95 % confidence, whatever the distribution (from six trials on).</p>
<figure>${dots(report)}</figure>
<h2>Trial by trial</h2>
${table(report)}
<h2>Do it again</h2>
<pre>${text(report.command)}</pre>
<footer>A pause of ${duration(report.toleratedPauseMs)} is tolerated without a failover: shorter times would pay with false alarms.</footer>
`;
  return htmlPage(title, body);
}

const ROW = 44;
const TOP = 14;

function dots(report: TrialsReport): string {
  const { trials, promisedMs, expectedMs } = report;
  const lanes = [
    { name: 'writes stood still', spread: report.writeGapMs, values: trials.map((it) => it.writeGapMs) },
    { name: 'service again', spread: report.rtoMs, values: trials.map((it) => it.rtoMs) },
    { name: 'whole again', spread: report.rejoinMs, values: trials.map((it) => it.rejoinMs) },
  ];
  const most = Math.max(promisedMs[1], ...lanes.flatMap((lane) => lane.values.flatMap((it) => it ?? [])));
  const scale = scaleOf(0, most * 1.06, LEFT, RIGHT);
  const bottom = TOP + lanes.length * ROW;
  const rows = lanes.map(({ name, spread, values }, at) => {
    const y = TOP + at * ROW + 20;
    const interval = spread?.p50Interval ?? null;
    const band =
      interval === null
        ? ''
        : `<rect class="standby" opacity=".6" x="${scale.x(interval[0])}" y="${y - 14}" width="${Math.max(2, scale.x(interval[1]) - scale.x(interval[0]))}" height="28" rx="3"/>`;
    const median =
      spread === null ? '' : `<rect class="step" x="${scale.x(spread.p50) - 1}" y="${y - 16}" width="2" height="32"/>`;
    const points = values.map((ms, trial) =>
      ms === null
        ? ''
        : `<circle class="e0" fill-opacity=".75" cx="${scale.x(ms)}" cy="${y + ((trial % 3) - 1) * 6}" r="4.5"><title>trial ${trial + 1}: ${duration(ms)}</title></circle>`,
    );
    return `<text x="0" y="${y + 4}">${name}</text>${band}${median}${points.join('')}`;
  });
  const line = (ms: number, word: string, anchor: string) =>
    `<line class="mark" x1="${scale.x(ms)}" x2="${scale.x(ms)}" y1="${TOP - 4}" y2="${TOP + ROW - 6}"/><text class="soft" x="${scale.x(ms) + (anchor === 'end' ? -4 : 4)}" y="${TOP + 2}" text-anchor="${anchor}">${word}</text>`;
  return (
    `<svg viewBox="0 0 ${WIDTH} ${bottom + 24}" role="img" aria-label="Figures of ${trials.length} trials">` +
    `${axis(scale, TOP - 6, bottom)}${rows.join('')}${line(expectedMs[1], 'predicted', 'end')}${line(promisedMs[1], 'promised', 'start')}</svg>`
  );
}

function table({ trials, writeGapMs, rtoMs, rejoinMs, expectedMs, promisedMs }: TrialsReport): string {
  const cell = (ms: number | null | undefined) =>
    `<td class="n">${ms === null || ms === undefined ? '–' : duration(ms)}</td>`;
  const rows = trials.map(
    (it, at) =>
      `<tr class="${it.verdict}"><td><a href="${text(basename(it.html))}">trial ${at + 1}</a></td><td>${text(it.region)}</td>` +
      `${cell(it.writeGapMs)}${cell(it.expectedMs)}${cell(it.promisedMs)}${cell(it.rtoMs)}${cell(it.rejoinMs)}` +
      `<td class="state">${it.verdict}</td><td>${it.verdict === 'pass' ? '' : text(it.why)}</td></tr>`,
  );
  const median = `<tr><td>median</td><td></td>${cell(writeGapMs?.p50)}<td class="n">${rangeText(expectedMs)} ms</td><td class="n">${rangeText(promisedMs)} ms</td>${cell(rtoMs?.p50)}${cell(rejoinMs?.p50)}<td></td><td></td></tr>`;
  return (
    '<div class="wide"><table><thead><tr><th></th><th>region hit</th><th class="n">stood still</th><th class="n">predicted</th><th class="n">promised</th>' +
    `<th class="n">service again</th><th class="n">whole again</th><th>verdict</th><th></th></tr></thead><tbody>${rows.join('')}${median}</tbody></table></div>`
  );
}
