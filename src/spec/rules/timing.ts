import type { KnobName } from '../../base/knobs.ts';
import { TIERS, type Draft } from '../draft.ts';
import { formatDuration } from '../duration.ts';
import { atField, atValue, type Field, type Finding } from '../finding.ts';

/** E2007, E23xx: objectives against the tier, and timings against the objectives and each other. */
export function timing(draft: Draft): readonly Finding[] {
  return [...tierKept(draft), ...leaseWithinRto(draft), ...noticedWithinRto(draft), ...contradictions(draft)];
}

function tierKept(draft: Draft): readonly Finding[] {
  const { tier } = draft;
  if (tier?.value !== 'critical' && tier?.value !== 'high') return [];
  const promise = TIERS[tier.value];
  const check = (field: Field<number> | null, name: string, belowMs: number): readonly Finding[] => {
    if (field === null || field.value < belowMs) return [];
    const bound = belowMs === 1 ? 'of 0s' : `below ${formatDuration(belowMs)}`;
    const message = `tier ${tier.value} means an ${name} ${bound}; this is ${formatDuration(field.value)}`;
    const at = [...atField(field, 'asked here'), ...atField(tier, 'tier here')];
    return [
      {
        code: 'E2007',
        message,
        at,
        help: tier.value === 'critical' ? ['shorten it, or use `tier: high`'] : ['shorten it'],
      },
    ];
  };
  return [...check(draft.rtoMs, 'RTO', promise.rtoBelowMs), ...check(draft.rpoMs, 'RPO', promise.rpoBelowMs)];
}

function leaseWithinRto({ leaseTtlMs, rtoMs }: Draft): readonly Finding[] {
  if (leaseTtlMs === null || rtoMs === null || leaseTtlMs.value <= rtoMs.value) return [];
  const lease = formatDuration(leaseTtlMs.value);
  return [
    {
      code: 'E2301',
      message: `the lease (${lease}${leaseTtlMs.written ? '' : ' by default'}) is longer than the RTO (${formatDuration(rtoMs.value)}): a lost primary may hold it past the promise`,
      at: [...atField(leaseTtlMs, `held for ${lease}`), ...atField(rtoMs, 'asked here')],
      help: ['shorten `database.lease` or lengthen `objectives.rto`'],
    },
  ];
}

/** How a failure is noticed. Each must leave time within the RTO to act. */
const NOTICED = [
  ['brokenAfterMs', 'brokenAfter', 'a primary whose connection breaks'],
  ['silentAfterMs', 'silentAfter', 'a primary that falls silent'],
  ['wedgedAfterMs', 'wedgedAfter', 'a primary that answers but commits nothing'],
  ['evictAfterMs', 'evictAfter', 'a standby that no longer confirms'],
] as const satisfies readonly (readonly [KnobName, string, string])[];

function noticedWithinRto({ timings, rtoMs }: Draft): readonly Finding[] {
  if (rtoMs === null) return [];
  return NOTICED.flatMap(([knob, key, what]) => {
    const after = timings.get(knob);
    if (after === undefined || after.value < rtoMs.value) return [];
    const source = after.written ? '' : `, the default of timings.${key}`;
    return [
      {
        code: 'E2302' as const,
        message: `${what} is given up after ${formatDuration(after.value)}${source}: not within an RTO of ${formatDuration(rtoMs.value)}`,
        at: [...atField(after, 'noticed here'), ...atField(rtoMs, 'asked here')],
        help: [`shorten \`timings.${key}\` or lengthen \`objectives.rto\``],
      },
    ];
  });
}

/** The first must be shorter than the second, or what the third says happens. */
const SHORTER = [
  ['evictAfterMs', 'wedgedAfterMs', 'the loss of a standby would end a healthy primary'],
  ['heartbeatEveryMs', 'wedgedAfterMs', 'a healthy primary would look as if it committed nothing'],
  ['pulseEveryMs', 'silentAfterMs', 'a healthy primary would look silent between two pulses'],
  ['storeCallTimeoutMs', 'leaseTtlMs', 'one slow call to the store would cost the lease'],
  ['orderTimeoutMs', 'takeoverPatienceMs', 'a second takeover would begin while an order of the first still runs'],
] as const satisfies readonly (readonly [KnobName, KnobName, string])[];

function contradictions(draft: Draft): readonly Finding[] {
  const field = (knob: KnobName) => (knob === 'leaseTtlMs' ? draft.leaseTtlMs : draft.timings.get(knob)) ?? null;
  const keyOf = (knob: KnobName) => (knob === 'leaseTtlMs' ? 'database.lease' : `timings.${knob.replace(/Ms$/, '')}`);
  return SHORTER.flatMap(([shortKnob, longKnob, otherwise]) => {
    const [short, long] = [field(shortKnob), field(longKnob)];
    if (short === null || long === null || short.value < long.value) return [];
    const describe = (knob: KnobName, { value, written }: Field<number>) =>
      `${keyOf(knob)} (${formatDuration(value)}${written ? '' : ' by default'})`;
    const at = [short, long].filter((one) => one.written);
    return [
      {
        code: 'E2303' as const,
        message: `${describe(shortKnob, short)} must be shorter than ${describe(longKnob, long)}: ${otherwise}`,
        at: at.map((one) =>
          atValue(one.path, at.length === 2 ? (one === short ? 'this is not' : 'shorter than this') : null),
        ),
      },
    ];
  });
}
