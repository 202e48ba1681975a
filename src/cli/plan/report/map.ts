import type { PlaceId } from '../../../base/ids.ts';
import { text } from '../../../drills/report/html/markup.ts';
import { regionFact, type Facts } from '../../../facts/facts.ts';
import { createLatencyModel } from '../../../facts/latency/model.ts';
import type { Plan, PlannedRegion } from '../../../plan/plan.ts';
import type { ServedPlace } from '../../../plan/places.ts';
import { circlePath, landPath, projectionOf, WIDTH, type Projection } from './project.ts';

/** Users' places by who is in time, regions by role, links between them with their round trips. */
export function mapOf(plan: Plan, places: readonly ServedPlace[], facts: Facts): string {
  const seen = places.filter(({ share }) => share > 0.0005);
  const { witness } = plan;
  const at = [...plan.regions, ...(witness === null ? [] : [witness])].map(({ id }) => regionFact(facts, id));
  const projection = projectionOf([...at, ...seen]);
  const { height } = projection;
  const links = linksOf(plan, facts, projection);
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${text(`Map: ${plan.regions.map(({ id, role }) => `${id} ${role}`).join(', ')}${witness === null ? '' : `, ${witness.id} witness`}`)}">
<rect class="sea" width="${WIDTH}" height="${height}"/><path class="land" d="${landPath(projection)}"/>
${seen.map((place) => userDot(plan, place, projection)).join('')}
${links.map(({ line }) => line).join('')}${links.map(linkLabel).join('')}
${pins(plan, facts, projection, links)}</svg>`;
}

function userDot(
  { request }: Plan,
  { lat, lon, share, ms, place, country, region }: ServedPlace,
  to: Projection,
): string {
  const [first] = request.latency;
  const limit = request.latency.find((one) => one.country === country && one.metric === first?.metric) ?? first;
  const isLate = ms > (limit?.withinMs ?? 100);
  const radius = Math.round(10 * Math.max(1.2, Math.sqrt(share) * 34)) / 10;
  const says = `${place}, ${country}: ${(share * 100).toFixed(1)} % of users, ${Math.round(ms)} ms to ${region}`;
  return `<circle class="${isLate ? 'late' : 'users'}" cx="${to.x({ lat, lon })}" cy="${to.y({ lat, lon })}" r="${radius}"><title>${text(says)}</title></circle>`;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

const LINE = 14;
const overlaps = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + LINE && b.y < a.y + LINE;

interface Link {
  readonly line: string;
  /** Where its round trip is written; null: the ends are too near to each other. */
  readonly label: { readonly box: Box; readonly words: string } | null;
}

/** Pins nearer than this leave no room for a label between them. */
const ROOM = 60;

function linksOf({ regions, writes }: Plan, facts: Facts, to: Projection): readonly Link[] {
  const model = createLatencyModel(facts);
  return regions.flatMap((a, i) =>
    regions.slice(i + 1).map((b) => {
      const rtt = model.regionToRegion(a.id, b.id);
      const [from, end] = [regionFact(facts, a.id), regionFact(facts, b.id)];
      const { path, middle } = circlePath(from, end, to);
      const waits = i === 0 && writes.commitWaitMs > 0 && writes.waitsFor.includes(b.id);
      const kind = i > 0 ? 'link side' : waits ? 'link waits' : 'link';
      const says = `${a.id} to ${b.id}: ${Math.round(rtt.ms)} ms, ${rtt.method}${waits ? '; a commit waits for it' : ''}`;
      const isNear = Math.hypot(to.x(from) - to.x(end), to.y(from) - to.y(end)) < ROOM;
      const words = `${Math.round(rtt.ms)} ms`;
      const width = 7 * words.length;
      const y = Math.min(to.height - LINE - 4, Math.max(4, to.y(middle) - LINE));
      return {
        line: `<path class="${kind}" d="${path}"><title>${text(says)}</title></path>`,
        label: i > 0 || isNear ? null : { words, box: { x: to.x(middle) - width / 2, y, width } },
      };
    }),
  );
}

const linkLabel = ({ label }: Link): string =>
  label === null
    ? ''
    : `<text class="rtt" x="${Math.round(label.box.x + label.box.width / 2)}" y="${Math.round(label.box.y + 11)}" text-anchor="middle">${label.words}</text>`;

/** Numbered pins, the primary on top; a label beside each where it covers nothing. On a telephone the numbers stand alone, and the list below names them. */
function pins({ regions, witness }: Plan, facts: Facts, projection: Projection, links: readonly Link[]): string {
  const all = [...regions, ...(witness === null ? [] : [{ id: witness.id, role: 'witness' as const }])];
  const centres = all.map(({ id }) => {
    const fact = regionFact(facts, id);
    return { x: projection.x(fact), y: projection.y(fact) };
  });
  const taken: Box[] = [
    ...centres.map(({ x, y }) => ({ x: x - 11, y: y - 7, width: 22 })),
    ...links.flatMap(({ label }) => (label === null ? [] : [label.box])),
  ];
  return all
    .map((region, i) => {
      const centre = centres[i] ?? { x: 0, y: 0 };
      const label = labelBox(region.id, centre, taken, projection.height);
      taken.push(label);
      return pin(region, i, centre, label);
    })
    .toReversed()
    .join('');
}

function labelBox(id: PlaceId, { x, y }: { x: number; y: number }, taken: readonly Box[], height: number): Box {
  const width = 7.4 * id.length;
  const tries: readonly Box[] = [
    { x: x + 15, y: y - 7, width },
    { x: x - 15 - width, y: y - 7, width },
    { x: x - width / 2, y: y - 28, width },
    { x: x - width / 2, y: y + 14, width },
    { x: x + 12, y: y + 10, width },
  ];
  const isFree = (box: Box): boolean =>
    box.x > 4 &&
    box.x + width < WIDTH - 4 &&
    box.y > 2 &&
    box.y + LINE < height &&
    !taken.some((one) => overlaps(one, box));
  return tries.find(isFree) ?? (tries[0] as Box);
}

type Mark = Pick<PlannedRegion, 'id'> & { readonly role: PlannedRegion['role'] | 'witness' };

/** Regions are round and have the numbers of the list; the witness is square: it holds no data. */
function pin({ id, role }: Mark, i: number, { x, y }: { x: number; y: number }, label: Box): string {
  const isWitness = role === 'witness';
  const shape = isWitness
    ? `<rect x="${x - 9}" y="${y - 9}" width="18" height="18" rx="3"/>`
    : `<circle cx="${x}" cy="${y}" r="10"/>`;
  return (
    `<g class="pin ${role}">${shape}<text class="number" x="${x}" y="${y}" text-anchor="middle" dominant-baseline="central">${isWitness ? 'W' : i + 1}</text>` +
    `<text class="label" x="${Math.round(label.x)}" y="${Math.round(label.y + 11)}">${text(id)}</text></g>`
  );
}
