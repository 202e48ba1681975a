import { KNOBS } from '../../base/knobs.ts';
import type { Draft } from '../draft.ts';
import { formatDuration } from '../duration.ts';
import { atField, atKey, atValue, type Field, type Finding } from '../finding.ts';

/** E22xx: what the replication can keep of the promise (P11.2). */
export function replication(draft: Draft): readonly Finding[] {
  if (draft.mode === null) return [];
  const loses = draft.mode.value === 'async' ? asynchronous(draft, draft.mode) : [];
  // A promise of no loss rules the mode out: its settings are not worth a word.
  if (loses.some(({ code }) => code === 'E2201')) return loses;
  return [...loses, ...confirmations(draft), ...blocksForEver(draft), ...degrades(draft), ...otherModes(draft)];
}

function asynchronous(draft: Draft, mode: Field<string>): readonly Finding[] {
  const { rpoMs, guard, leaseTtlMs } = draft;
  if (rpoMs?.value === 0) {
    return [
      {
        code: 'E2201',
        message: `rpo 0s${rpoMs.written ? '' : ' (from the tier)'} cannot be kept by asynchronous replication`,
        at: [
          ...atField(rpoMs, 'asked here'),
          atValue(mode.path, 'acknowledges writes that no other region has: losing the region loses them'),
        ],
        help: ['use `mode: sync` or `mode: semi-sync`, or give up the promise with an `rpo` that the tier allows'],
      },
    ];
  }
  const heartbeatMs = draft.timings.get('heartbeatEveryMs')?.value ?? KNOBS.heartbeatEveryMs.value;
  const shortestMs = (leaseTtlMs?.value ?? KNOBS.leaseTtlMs.value) + heartbeatMs;
  if (rpoMs !== null && rpoMs.value < shortestMs && guard?.value !== 'block') {
    return [
      {
        code: 'E2202',
        message: `asynchronous replication may lose what was written within lease + heartbeat = ${formatDuration(shortestMs)}, more than the rpo of ${formatDuration(rpoMs.value)} (P11.2)`,
        at: [...atField(rpoMs, 'asked here'), atValue(mode.path, 'asynchronous here')],
        help: ['use `mode: sync`, a longer `rpo`, or `guard: block`: writes then wait while the standbys lag'],
      },
    ];
  }
  return [];
}

function confirmations(draft: Draft): readonly Finding[] {
  const { mode, confirm, regions } = draft;
  if (mode?.value !== 'semi-sync' || confirm === null || regions === null || regions.length < 2) return [];
  const standbys = regions.length - 1;
  const wanted = confirm.value ?? 1;
  if (wanted > standbys || (wanted === standbys && standbys > 1)) {
    const why = wanted > standbys ? 'so no write could ever be confirmed' : 'so all must confirm: that is `mode: sync`';
    return [
      {
        code: 'E2205',
        message: `confirm ${wanted} with ${standbys} standby region${standbys === 1 ? '' : 's'}, ${why}`,
        at: [...atField(confirm, 'asked here'), atKey(['regions'], `${standbys} besides the primary`)],
        help: [standbys > 1 ? `use \`confirm: ${standbys - 1}\` or less, or \`mode: sync\`` : 'use `mode: sync`'],
      },
    ];
  }
  if (standbys > 1) return [];
  const message = 'semi-sync with one standby is `sync`: the only other region must confirm every write (P11.2)';
  return [{ code: 'N3001', message, at: atField(mode), help: ['write `mode: sync`'] }];
}

/** Of two regions one is lost: nobody can confirm, every write waits, and the RTO is never met. */
function blocksForEver(draft: Draft): readonly Finding[] {
  const { whenAlone, regions, rtoMs } = draft;
  if (whenAlone?.value !== 'block' || regions?.length !== 2 || rtoMs === null) return [];
  return [
    {
      code: 'E2203',
      message: `with two data regions, \`whenAlone: block\` cannot meet an RTO of ${formatDuration(rtoMs.value)}: after the loss of one, every write waits until it is back (P11.2)`,
      at: [
        atValue(whenAlone.path, 'the survivor blocks'),
        ...atField(rtoMs, 'asked here'),
        atKey(['regions'], 'two data regions'),
      ],
      help: ['add a third region, or declare the risk: `whenAlone: serve-with-rpo-suspended` with `rpoWhileDegraded`'],
    },
  ];
}

function degrades(draft: Draft): readonly Finding[] {
  const { whenAlone, rpoMs, rpoWhileDegradedMs: degraded } = draft;
  if (whenAlone?.value !== 'serve-with-rpo-suspended' || rpoMs === null || degraded === null) return [];
  if (degraded.value === null && rpoMs.value === 0) {
    return [
      {
        code: 'E2204',
        message: 'rpo 0s with degrading: say what may be lost while the primary is alone (P11.2)',
        at: [...atField(rpoMs, 'asked here'), atValue(whenAlone.path, 'a primary that is alone goes on acknowledging')],
        help: ['add `rpoWhileDegraded: 24h` (or what you accept) beside it, or use `whenAlone: block`'],
      },
    ];
  }
  if (degraded.value !== null && degraded.value < rpoMs.value) {
    return [
      {
        code: 'E2207',
        message: 'the rpo while degraded is shorter than the rpo: a primary that is alone cannot lose less',
        at: [...atField(degraded, 'while degraded'), ...atField(rpoMs, 'otherwise')],
      },
    ];
  }
  return [promiseVoid(draft, whenAlone, degraded.value)];
}

function promiseVoid(draft: Draft, whenAlone: Field<string>, degradedMs: number | null): Finding {
  const evictMs = draft.timings.get('evictAfterMs')?.value ?? KNOBS.evictAfterMs.value;
  const rpo = degradedMs === null ? 'nothing is promised' : `the RPO is ${formatDuration(degradedMs)}`;
  return {
    code: 'N3002',
    message: `when no other region has ${draft.mode?.value === 'async' ? 'received anything' : 'confirmed'} for ${formatDuration(evictMs)}, the primary serves alone: until a standby is back, ${rpo}`,
    at: [atValue(whenAlone.path)],
  };
}

function otherModes(draft: Draft): readonly Finding[] {
  const { mode, confirm, guard, maxLossBytes, whenAlone, rpoWhileDegradedMs: degraded } = draft;
  const findings: Finding[] = [];
  if (mode?.value === 'sync' && confirm?.written === true) {
    const message = '`confirm` belongs to semi-sync; with sync every other region confirms';
    findings.push({ code: 'E2206', message, at: [atValue(confirm.path), atValue(mode.path, 'sync here')] });
  }
  if (mode?.value === 'async' && confirm?.written === true) {
    const message = '`confirm` belongs to semi-sync; with async nobody confirms';
    findings.push({ code: 'E2206', message, at: [atValue(confirm.path), atValue(mode.path, 'async here')] });
  }
  for (const [key, field] of [
    ['guard', guard],
    ['maxLoss', maxLossBytes],
  ] as const) {
    if (mode === null || mode.value === 'async' || field?.written !== true) continue;
    const message = `\`${key}\` belongs to async; with ${mode.value} nothing is acknowledged too early`;
    findings.push({ code: 'E2206', message, at: [atValue(field.path), atValue(mode.path, `${mode.value} here`)] });
  }
  if (whenAlone?.value === 'block' && degraded?.written === true) {
    const message = 'with `whenAlone: block` the primary never serves alone, so `rpoWhileDegraded` has no effect';
    findings.push({ code: 'N3003', message, at: [atValue(degraded.path)] });
  }
  return findings;
}
