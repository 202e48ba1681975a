import type { PlanDiff } from '../../plan/compare/diff.ts';
import type { Drift } from '../../plan/compare/drift.ts';
import type { Prices } from '../../plan/compare/relax.ts';
import { table } from '../text.ts';

const dollars = (usd: number): string => `$${Math.round(usd).toLocaleString('en-US')}`;
/** What a change does to the monthly cost. */
function saved(usd: number): string {
  if (Math.abs(usd) < 0.5) return 'costs the same';
  return usd > 0 ? `saves ${dollars(usd)}` : `costs ${dollars(-usd)} more`;
}
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const points = (share: number): string => `${share < 0 ? '' : '+'}${(100 * share).toFixed(1)} points`;

type Unit = 'share' | 'ms' | 'usd' | 'word';
function valueOf(value: number | string | null, unit: Unit): string {
  if (value === null) return '–';
  if (typeof value === 'string') return value;
  if (unit === 'share') return value > 0.99 ? `${(100 * value).toFixed(3)} %` : percent(value);
  return unit === 'usd' ? dollars(value) : `${Math.round(value * 10) / 10} ms`;
}

export function diffText(diff: PlanDiff): string {
  const { names, regions, figures, cost, asked, facts } = diff;
  if (diff.same) return `${names[0]}: the two plans are the same\n`;
  const block = (title: string, rows: readonly (readonly string[])[]): string[] =>
    rows.length === 0 ? [] : ['', title, ...table(rows)];
  const mark = { added: '+', removed: '-', changed: '~' } as const;
  const arrow = (was: string | null, is: string | null): string => `${was ?? '–'} → ${is ?? '–'}`;
  return [
    names[0] === names[1] ? names[0] : `${names[0]} → ${names[1]}`,
    ...block(
      'regions',
      regions.map(({ id, change, says }) => [`  ${mark[change]} ${id}`, says]),
    ),
    ...block(
      'figures',
      figures.map(({ what, unit, was, is }) => [`  ${what}`, arrow(valueOf(was, unit), valueOf(is, unit))]),
    ),
    ...block(
      'cost, US dollars a month',
      cost.map(({ what, was, is }) => [
        `  ${what}`,
        arrow(dollars(was), dollars(is)),
        `${is < was ? '-' : '+'}${dollars(Math.abs(is - was))}`,
      ]),
    ),
    ...block(
      'asked',
      asked.map(({ path, was, is }) => [`  ${path}`, arrow(was, is)]),
    ),
    ...block(
      'facts',
      facts.map(({ pack, was, is }) => [`  ${pack}`, arrow(was, is)]),
    ),
    '',
  ].join('\n');
}

/** What each demand costs, for a person. */
export function pricesText({ name, now, notches }: Prices): string {
  const head = `${name}: ${now.regions.join(', ')}, ${dollars(now.usd)} a month, ${percent(now.coverage)} in time, a write takes ${Math.round(now.writeMs)} ms`;
  const rows = (list: Prices['notches']): readonly string[] =>
    table(
      list.map(({ asks, relaxed, savedUsd, outcome }) => [
        `  ${asks}`,
        `→ ${relaxed}`,
        saved(savedUsd),
        points(outcome.coverage - now.coverage),
        `write ${outcome.writeMs > now.writeMs ? '+' : ''}${Math.round(outcome.writeMs - now.writeMs)} ms`,
        `${outcome.regions.join(', ')}${outcome.proven ? '' : ' (best found)'}`,
      ]),
    );
  const isFree = ({ outcome, savedUsd }: Prices['notches'][number]): boolean =>
    Math.abs(savedUsd) < 0.5 && outcome.regions.join() === now.regions.join();
  const [priced, free] = [notches.filter((one) => !isFree(one)), notches.filter(isFree)];
  return [
    head,
    '',
    priced.length === 0 ? 'one notch less of anything changes nothing' : 'one notch less, each alone',
    ...rows(priced),
    ...(free.length === 0
      ? []
      : ['costs nothing at this notch', ...table(free.map(({ asks, relaxed }) => [`  ${asks}`, `→ ${relaxed}`]))]),
    '',
  ].join('\n');
}

export function driftText({ name, moved, broken, actions }: Drift): string {
  const suggested = actions.filter((one) => one.suggested);
  const others = actions.filter((one) => !one.suggested);
  const row = (action: Drift['actions'][number]): string[] => [
    `  ${action.says}`,
    saved(action.savedUsd),
    action.move.copyGib === 0
      ? ''
      : `once ${action.move.copyGib} GiB to copy, $${Math.round(action.move.usd)}${action.move.paidBackMonths === null ? '' : ` (${action.move.paidBackMonths} months)`}`,
    points(action.gainedShare),
    `write ${action.gainedWriteMs > 0 ? '-' : '+'}${Math.abs(Math.round(action.gainedWriteMs))} ms`,
    action.why,
  ];
  return [
    `${name}: ${suggested.length > 0 ? `${suggested.length} change${suggested.length === 1 ? '' : 's'} suggested` : broken.length > 0 ? 'broken, and no change is sure to mend it' : 'stay: nothing wins by more than the error of the figures'}`,
    ...broken.map((one) => `  ! ${one}`),
    ...(moved.length === 0
      ? ['nothing has moved since the plan was made']
      : [
          'moved since the plan was made',
          ...table(
            moved.map(({ what, unit, was, is }) => [`  ${what}`, `${valueOf(was, unit)} → ${valueOf(is, unit)}`]),
          ),
        ]),
    ...(suggested.length === 0 ? [] : ['', 'suggested, best first', ...table(suggested.map(row))]),
    ...(others.length === 0 ? [] : ['', 'seen, not suggested', ...table(others.map(row))]),
    '',
  ].join('\n');
}
