import type { Prediction } from '../../drills/predict.ts';
import type { Check } from '../../ports/operations.ts';
import type { OperationRecord } from '../../ports/records.ts';
import { paint } from '../paint.ts';
import { seconds, table } from '../text.ts';

/** Checks for people: verdict, what, value, and the limit where it matters. */
export function checkLines(checks: readonly Check[]): readonly string[] {
  const { green, yellow, red } = paint(process.stdout);
  const words = { ok: 'ok', warning: 'warning', refused: 'REFUSED' } as const;
  const colours = { ok: green, warning: yellow, refused: red } as const;
  const rows = table(
    checks.map(({ name, verdict, value, limit }) => [
      words[verdict],
      name,
      value,
      verdict === 'ok' ? '' : `needed: ${limit}`,
    ]),
  );
  return rows.map((row, i) => {
    const verdict = checks[i]?.verdict ?? 'ok';
    return `  ${row.replace(words[verdict], colours[verdict](words[verdict]))}`;
  });
}

/** From the request, or the first step, to the last. */
export function tookMs(operation: OperationRecord): number {
  const { steps } = operation;
  const [first, last] = [steps[0], steps.at(-1)];
  if (first === undefined || last === undefined) return 0;
  return last.atWallMs - first.atWallMs + first.tookMs;
}

/** What it meant for acknowledged writes, in a word. */
export function lossOf(operation: OperationRecord): string {
  const accepted = operation.request?.allowLossMs ?? null;
  if (operation.epoch === 0) return 'none';
  return accepted === null ? 'none' : `up to ${accepted === 'any' ? 'unknown' : seconds(accepted)} accepted`;
}

export function operationRow(operation: OperationRecord): readonly string[] {
  const began = operation.steps[0]?.atWallMs ?? null;
  return [
    began === null ? '-' : new Date(began).toISOString().slice(0, 19).replace('T', ' '),
    operation.id,
    operation.state,
    operation.epoch === 0 ? '-' : String(operation.epoch),
    seconds(tookMs(operation)),
    operation.actor,
    lossOf(operation),
    operation.reason.text,
  ];
}

export const OPERATION_HEADER = ['BEGAN (UTC)', 'OPERATION', 'STATE', 'EPOCH', 'TOOK', 'ACTOR', 'LOSS', 'REASON'];

export const isOver = (operation: OperationRecord): boolean =>
  operation.state !== 'requested' && operation.state !== 'running';

/** Exit codes of design.md §7. */
export const exitOf = (state: OperationRecord['state']): number =>
  ({ requested: 5, running: 5, done: 0, refused: 4, failed: 1, cancelled: 4, unknown: 8 })[state];

/** How long no automatic takeover will begin, by whom, and why. */
/** After a planned move: what it was to take, and what it took. Empty for every other end. */
export function pauseText(
  operation: OperationRecord,
  predicted: Pick<Prediction, 'expectedMs' | 'promisedMs'>,
): string {
  const measuredMs = operation.steps.find((step) => step.pauseMs !== undefined)?.pauseMs;
  if (measuredMs === undefined || operation.state !== 'done') return '';
  const [took, expected, promised] = [measuredMs, predicted.expectedMs, predicted.promisedMs].map(Math.round);
  return `      nobody could write for ${took} ms, as the agents saw it (predicted ${expected} ms, promised at most ${promised} ms)\n`;
}

export const pausedText = (paused: {
  readonly leftMs: number;
  readonly actor: string;
  readonly reason: string;
}): string => `automatic takeovers are paused by ${paused.actor} for ${seconds(paused.leftMs)} more: ${paused.reason}`;
