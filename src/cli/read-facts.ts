import { readFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { parseFacts, type Facts } from '../facts/facts.ts';
import { PACKS, type PackTexts } from '../facts/packs.ts';

/** The data packs that come with this program. A missing or broken one is a `FSH_FAILED`: the installation is incomplete. */
export function readFacts(): Facts {
  const folder = new URL('../../facts/', import.meta.url);
  try {
    const texts = PACKS.map((name) => [name, readFileSync(new URL(`${name}.json`, folder), 'utf8')]);
    return parseFacts(Object.fromEntries(texts) as PackTexts);
  } catch (error) {
    throw new FarshoreError('FSH_FAILED', `the data packs of Farshore are incomplete: ${messageOf(error)}`, error);
  }
}
