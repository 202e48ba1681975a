import { type Finding, type Verdict, worstOf } from '../checks/verdict.ts';
import type { DrillReport } from '../report/report.ts';
import type { Mode, Store } from './deployments.ts';

/** What is asked of one drill on one deployment. */
export interface Asked {
  readonly example: string;
  readonly mode: Mode;
  readonly store: Store;
  readonly rttScale: number;
  readonly drill: string;
  readonly trial: number;
}

/** How it ended. One line of the file that `--into` names. */
export interface Cell extends Asked {
  /** Of the programs that ran: what another build proved says nothing about this one. */
  readonly build: string;
  readonly verdict: Verdict;
  readonly why: string;
  /** The load was sent late: right or wrong is judged, its times mean nothing. */
  readonly late: boolean;
  readonly gapMs: number | null;
  readonly rejoinMs: number | null;
  readonly lost: number;
}

export const sameCell = (a: Asked, b: Asked): boolean =>
  a.example === b.example &&
  a.mode === b.mode &&
  a.store === b.store &&
  a.rttScale === b.rttScale &&
  a.drill === b.drill &&
  a.trial === b.trial;

/** The last end of each cell that is asked, of this build, or of any when `build` is null. */
export const endedOf = (asked: readonly Asked[], cells: readonly Cell[], build: string | null): readonly Cell[] =>
  asked.flatMap((it) => cells.findLast((cell) => sameCell(cell, it) && isOf(cell, build)) ?? []);

/** What passed needs not run again. */
export const openOf = (asked: readonly Asked[], cells: readonly Cell[], build: string | null): readonly Asked[] =>
  asked.filter((it) => !cells.some((cell) => sameCell(cell, it) && isOf(cell, build) && cell.verdict === 'pass'));

const isOf = (cell: Cell, build: string | null): boolean => build === null || cell.build === build;

/** The only check that asks something of the machine, not of what ran on it. */
const TIMED = 'the generator was on time';

/**
 * A cell asks whether things are right. A load that came late, every request of it sent and answered for, takes nothing from that:
 * such a drill calls itself inconclusive because its times mean nothing, and counts here by everything else that it checked.
 */
export function cellOf(asked: Asked, build: string, report: DrillReport): Cell {
  const isWhole = !report.findings.some((it) => it.check === TIMED && it.why.includes('incomplete'));
  const others = report.findings.filter((it) => it.check !== TIMED);
  const late = isWhole && others.length < report.findings.length && isLate(report.findings);
  const judged = late ? others : report.findings;
  const verdict = worstOf(judged.map((it) => it.verdict));
  return {
    ...asked,
    build,
    verdict,
    why: verdict === 'pass' ? `all ${judged.length} checks passed` : whyOf(judged, verdict),
    late,
    gapMs: report.writeGap?.anyRegionMs ?? null,
    rejoinMs: report.undo.rejoinMs,
    lost: report.rpo.ledger.lost.count + (report.rpo.orders?.lost.count ?? 0),
  };
}

const isLate = (findings: readonly Finding[]): boolean =>
  findings.some((it) => it.check === TIMED && it.verdict !== 'pass');

function whyOf(findings: readonly Finding[], verdict: Verdict): string {
  const first = findings.find((it) => it.verdict === verdict);
  return first === undefined ? 'nothing was checked' : `${first.check}: ${first.why}`;
}

/** The drill could not begin: the world was not whole, or its load not served, before anything was broken. */
export const refusedCell = (asked: Asked, build: string, said: string): Cell => ({
  ...asked,
  build,
  verdict: 'inconclusive',
  why: said.replaceAll(/\s+/g, ' '),
  late: false,
  gapMs: null,
  rejoinMs: null,
  lost: 0,
});

export function tableOf(cells: readonly Cell[]): string {
  const ms = (value: number | null, late: boolean) =>
    value === null ? '-' : `${Math.round(value)}${late ? ' (load late)' : ''}`;
  const head = ['deployment', 'drill', 'verdict', 'writes stood still, ms', 'whole again, ms', 'lost', ''];
  const rows = cells.map((it) => [
    `${it.example} ${it.mode} ${it.store}`,
    it.drill,
    it.verdict === 'pass' ? 'pass' : it.verdict.toUpperCase(),
    ms(it.gapMs, it.late),
    ms(it.rejoinMs, false),
    String(it.lost),
    it.verdict === 'pass' ? '' : it.why,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

/** How far the matrix is, in one line. */
export function progressOf(asked: readonly Asked[], ended: readonly Cell[], build: string | null): string {
  const count = (verdict: Verdict) => ended.filter((cell) => cell.verdict === verdict).length;
  const left = asked.length - count('pass');
  const open = [`${count('fail')} failed`, `${count('inconclusive')} inconclusive`];
  open.push(`${asked.length - ended.length} not run`);
  const of = build === null ? 'of any build' : `of build ${build}`;
  return `${count('pass')} of ${asked.length} cells passed ${of}; ${left} left${left === 0 ? '' : `: ${open.join(', ')}`}`;
}
