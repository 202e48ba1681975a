import type { DrillReport } from '../report.ts';
import { duration } from './markup.ts';

const VERDICT_WORDS = { pass: 'Passed', fail: 'Failed', inconclusive: 'Inconclusive' } as const;
export const verdictWord = (verdict: DrillReport['verdict']): string => VERDICT_WORDS[verdict];

const WHAT_HAPPENED: Readonly<Record<string, string>> = {
  crash: 'lost its power',
  blackhole: 'was cut off from everybody',
  freeze: 'stood still and came back',
  wedge: 'answered, but committed nothing',
  'slow-disk': 'had a slow disk',
  'disk-full': 'had a full disk',
  'clock-skew': 'had a wrong clock',
  planned: 'handed its primary over, as planned',
};

/** What was done, in a few words. */
export function headline({ lost, fault, drill }: DrillReport): string {
  if (drill === 'no-false-alarm') return 'Pauses, losses and a busy machine';
  if (drill === 'failback') return `The primary went home from ${lost.region}`;
  if (fault.startsWith('cut')) return `${lost.region} was partitioned: ${fault.slice(4)}`;
  return `${lost.region} ${WHAT_HAPPENED[fault] ?? `met ${fault}`}`;
}

/** What came of it: the one sentence to remember. */
export function summary(report: DrillReport): string {
  const { writeGap, rpo } = report;
  const acknowledged = rpo.ledger.acknowledged + (rpo.orders?.acknowledged ?? 0);
  const lost = rpo.ledger.lost.count + (rpo.orders?.lost.count ?? 0);
  const kept =
    acknowledged === 0
      ? 'no write was acknowledged'
      : `${lost === 0 ? 'none' : lost} of ${acknowledged} acknowledged writes ${lost === 1 || lost === 0 ? 'is' : 'are'} lost`;
  const moved =
    writeGap === null
      ? 'The primary stayed where it was'
      : `Writes stood still for ${duration(writeGap.anyRegionMs)} until ${report.promoted.to ?? 'another node'} acknowledged them`;
  const why = report.verdict === 'pass' ? '' : ` ${report.why[0]?.toUpperCase() ?? ''}${report.why.slice(1)}.`;
  return `${moved}; ${kept}.${why}`;
}
