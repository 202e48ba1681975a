import type { Draft } from '../draft.ts';
import { atField, type Field, type Finding } from '../finding.ts';

/** E2901: what the format can say and this release cannot do. Refused, never ignored. */
export function notBuilt(draft: Draft): readonly Finding[] {
  const findings: Finding[] = [];
  const refuse = (field: Field<unknown> | null, what: string, today: string) => {
    if (field !== null)
      findings.push({ code: 'E2901', message: `${what}: not built yet`, at: atField(field), help: [today] });
  };
  if (draft.tier?.value === 'medium' || draft.tier?.value === 'low') {
    refuse(draft.tier, `tier ${draft.tier.value}`, 'use `tier: high` or `tier: critical`');
  }
  for (const region of draft.regions ?? []) {
    if (region.control !== null && region.control.value !== 'owned') {
      refuse(region.control, `control ${region.control.value}`, 'use `control: owned`: Farshore runs PostgreSQL');
    }
  }
  return findings;
}
