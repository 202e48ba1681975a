import type { Plan } from '../../plan/plan.ts';

/** What a plan is made from: the packs with their dates, and the user's own files. */
export function factsText({ facts, ownFacts }: Plan): string {
  const own = ownFacts.map(({ file, asOf }) => `your own ${file}${asOf === null ? '' : ` ${asOf}`}`);
  return [...facts.map(({ pack, asOf }) => `${pack} ${asOf}`), ...own].join(', ');
}
