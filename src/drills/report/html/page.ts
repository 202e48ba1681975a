import type { DrillReport } from '../report.ts';
import { closeUp } from './close-up.ts';
import { figures } from './figures.ts';
import { text } from './markup.ts';
import { overview } from './overview.ts';
import { headline, summary, verdictWord } from './sentences.ts';
import { htmlPage } from './html-page.ts';
import { checks, lostIds, streams, ways } from './tables.ts';

/**
 * The report as one page that needs nothing else: no network, no script. Made from the JSON report alone. It holds ids of the
 * drill's own rows and no data of clients (P11.3).
 */
export function renderHtml(report: DrillReport): string {
  const { verdict, deployment, drill, fault, id, startedAt } = report;
  const title = `${verdictWord(verdict)}: ${headline(report)}`;
  const body = `<p class="about"><span>Farshore drill ${text(drill)}</span><span>${text(fault)}</span><span>deployment ${text(deployment)}</span><span>${text(startedAt.replace('T', ' ').slice(0, 19))} UTC</span><span>${text(id)}</span></p>
<header class="verdict ${verdict}"><div><span class="word">${verdictWord(verdict).toUpperCase()}</span><h1>${text(headline(report))}</h1><p>${text(summary(report))}</p></div></header>
${figures(report)}
${pictures(report)}
<h2>Checks</h2>
<p class="quiet">The worst verdict wins. A check that could not look is open, never passed.</p>
${checks(report)}
${lostIds(report)}
<h2>Users, stream by stream</h2>
${streams(report)}
${waysPart(report)}<h2>Do it again</h2>
<pre>${text(report.command)}</pre>
${howToRead(report)}
<footer>Every attempt: ${text(report.files.ledger)} · the same figures for programs: ${text(report.files.report)}</footer>
`;
  return htmlPage(title, body);
}

function waysPart(report: DrillReport): string {
  if (report.ways === null) return '';
  return `<h2>Users, by the way they came</h2>
<p class="quiet">Safe requests, side by side; shown, not judged. Of a resolver or a program that holds an address too long nobody can say when it is back.</p>
${ways(report.ways)}
`;
}

const OVERVIEW_KEY: readonly (readonly [string, string])[] = [
  ['--ack', 'primary'],
  ['--ack2', 'primary of the next epoch'],
  ['--closed', 'primary, closed'],
  ['--standby', 'standby'],
  ['--none', 'no PostgreSQL'],
  ['--bar', 'writes acknowledged'],
  ['--fail', 'writes failed or unknown'],
];

const key = (entries: readonly (readonly [string, string])[]): string =>
  `<div class="key">${entries.map(([colour, word]) => `<span><i style="--c:var(${colour})"></i>${word}</span>`).join('')}</div>`;

function pictures(report: DrillReport): string {
  const close = closeUp(report);
  const closePart =
    close === null
      ? ''
      : `<h2>The change of primary</h2>
<p class="quiet">Each tick is one acknowledged write, where its client got the answer. Below, the steps of the takeover on the same clock.</p>
<figure>${close}</figure>${key([
          ['--ack', 'acknowledged by the old primary'],
          ['--ack2', 'by the new one'],
          ['--fault', 'nobody acknowledged'],
        ])}`;
  return `<h2>The whole run</h2>
<p class="quiet">Time from the moment when the fault was proven. The band of a region says what its node was; the bars below it are what its users were answered.</p>
<figure>${overview(report)}</figure>${key(OVERVIEW_KEY)}
${closePart}`;
}

function howToRead({ rto, injection, rpo }: DrillReport): string {
  const rows: readonly (readonly [string, string])[] = [
    ['measured by', 'the clients alone: a load process of its own writes down every attempt before anybody judges it'],
    [
      'time zero',
      injection === null ? 'the end of the load: nothing was injected' : `the fault was proven: ${injection.evidence}`,
    ],
    [
      'service again',
      'the first request from which on everything worked until the end; a request counts where it was due, and its clock stops when it was answered',
    ],
    [
      'stood still',
      'last write acknowledged by the old primary to the first by the new one, over all users who must be served',
    ],
    ['predicted', rto.predicted.formula],
    [
      'lost',
      `acknowledged to a client, and missing on the surviving timeline in the end; ${rpo.ledger.recovered} writes of unknown outcome are there, which is no fault`,
    ],
    ['resolution', `one write every ${Math.round(rto.resolutionMs)} ms and region: nothing shorter can be seen`],
    [
      'a pause is tolerated',
      `for ${(rto.predicted.toleratedPauseMs / 1000).toFixed(1)} s a silent primary is left alone; a shorter RTO would pay with false alarms`,
    ],
    ['void', 'for sessions that lower synchronous_commit, and for UNLOGGED tables'],
  ];
  return `<h2>How to read it</h2><dl>${rows.map(([name, what]) => `<dt>${name}</dt><dd>${text(what)}</dd>`).join('')}</dl>`;
}
