import type { Counted } from '../../ways/way-figures.ts';
import { WAY_WORDS, type WayName } from '../../ways/ways.ts';
import type { DrillReport } from '../report.ts';
import { duration, text } from './markup.ts';

const SIGNS = { pass: '✓ passed', fail: '✕ failed', inconclusive: '? open' } as const;

/** Every check, worst first, with what it looked at. */
export function checks({ findings }: DrillReport): string {
  const rank = { fail: 0, inconclusive: 1, pass: 2 } as const;
  const rows = findings
    .toSorted((a, b) => rank[a.verdict] - rank[b.verdict])
    .map(
      ({ check, verdict, why }) =>
        `<tr class="${verdict}"><td class="state">${SIGNS[verdict]}</td><td>${text(check)}</td><td>${text(why)}</td></tr>`,
    );
  return `<div class="wide"><table><thead><tr><th>verdict</th><th>check</th><th>what it saw</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const OP_WORDS: Readonly<Record<string, string>> = {
  'sql-write': 'SQL writes',
  'http-write': 'orders over HTTP',
  'http-read': 'reads over HTTP',
};

/** How each stream of requests came through. */
export function streams({ rto }: DrillReport): string {
  const rows = rto.streams
    .toSorted((a, b) => Number(b.judged) - Number(a.judged))
    .map(
      (it) =>
        `<tr><td>${text(it.region)}</td><td>${OP_WORDS[it.op] ?? text(it.op)}</td>` +
        `<td class="n">${it.rtoMs === null ? 'never' : duration(it.rtoMs)}</td><td class="n">${duration(it.unavailableMs)}</td>` +
        `<td class="n">${it.failed} of ${it.requests}</td><td class="n">${duration(it.slowestMs)}</td><td>${it.judged ? '' : 'not judged'}</td></tr>`,
    );
  return (
    '<div class="wide"><table><thead><tr><th>users of</th><th>what they did</th><th class="n">stable after</th><th class="n">unavailable</th>' +
    `<th class="n">failed</th><th class="n">slowest answer</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  );
}

/** What became of users by the way they came, and which ways were left out. */
export function ways({ reports, missing }: NonNullable<DrillReport['ways']>): string {
  const failed = ({ failed: bad, requests }: Counted): string => `<td class="n">${bad} of ${requests}</td>`;
  const rows = reports.map(
    (it) =>
      `<tr><td>${WAY_WORDS[it.way]}</td><td>${text(it.ledTo ?? 'nowhere')}</td>` +
      `<td class="n">${it.backMs === null ? 'never' : duration(it.backMs)}</td>` +
      `${failed(it.inFlight)}${failed(it.kept)}${failed(it.fresh)}</tr>`,
  );
  const absent = Object.entries(missing).map(([way, why]) => `${WAY_WORDS[way as WayName]}: ${why}`);
  return (
    '<div class="wide"><table><thead><tr><th>by</th><th>led to before</th><th class="n">stable after</th><th class="n">failed in flight</th>' +
    `<th class="n">on kept connections</th><th class="n">on new ones</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>` +
    (absent.length === 0 ? '' : `<p class="quiet">Left out: ${text(absent.join('; '))}</p>`)
  );
}

/** Ids of what was lost, where there is something to list. The ledger has the rest. */
export function lostIds({ rpo }: DrillReport): string {
  const lists = [
    ['lost', rpo.ledger.lost],
    ['lost orders', rpo.orders?.lost],
    ['there, but no client was told', rpo.ledger.phantom],
    ['there twice', rpo.ledger.duplicates],
    ['lost, though later ones were kept', rpo.ledger.holes],
  ] as const;
  const parts = lists.flatMap(([name, list]) =>
    list === undefined || list.count === 0
      ? []
      : [
          `<p>${list.count} ${name}${list.count > list.first.length ? `, the first ${list.first.length}` : ''}:</p><pre>${text(list.first.join('\n'))}</pre>`,
        ],
  );
  return parts.length === 0 ? '' : `<h2>Rows by id</h2>${parts.join('')}`;
}
