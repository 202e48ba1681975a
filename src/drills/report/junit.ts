import type { DrillReport } from './report.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
/** Also drops what XML 1.0 cannot hold at all: an error text may carry any byte. */
const xml = (value: string): string =>
  value.replace(/(?![\t\n\r])\p{Cc}/gu, '').replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

/**
 * One suite per trial, one case per check. A check that failed is a failure; one that could not be judged is an error, never
 * `skipped`: a build server must not take it for a pass.
 */
export function renderJunit(reports: readonly DrillReport[]): string {
  const suites = reports.map(suiteOf);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="farshore drill">\n${suites.join('')}</testsuites>\n`;
}

function suiteOf(report: DrillReport): string {
  const { drill, fault, lost, startedAt, findings, deployment, id } = report;
  const count = (verdict: DrillReport['verdict']) => findings.filter((it) => it.verdict === verdict).length;
  const name = xml(`${drill} ${fault} ${lost.region}`);
  const cases = findings.map(({ check, verdict, why }) => {
    const head = `    <testcase classname="${xml(`${deployment}.${drill}.${fault}`)}" name="${xml(check)}" time="0">`;
    const tag = { pass: 'system-out', fail: 'failure', inconclusive: 'error' }[verdict];
    const inside = verdict === 'pass' ? `<${tag}>${xml(why)}</${tag}>` : `<${tag} message="${xml(why)}"/>`;
    return `${head}${inside}</testcase>\n`;
  });
  const seconds = ((report.timeline.toMs - report.timeline.fromMs) / 1000).toFixed(3);
  return (
    `  <testsuite name="${name}" id="${xml(id)}" timestamp="${xml(startedAt.slice(0, 19))}" time="${seconds}" ` +
    `tests="${findings.length}" failures="${count('fail')}" errors="${count('inconclusive')}" skipped="0">\n` +
    `${cases.join('')}  </testsuite>\n`
  );
}
